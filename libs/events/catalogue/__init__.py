"""Every event of gridcall, in the order of a case's life. The catalogue is the glossary: start
here.

An event is a value; a published one never changes its meaning (a new meaning is a new version).
Instants are integers: microseconds since 1970-01-01T00:00:00Z. Ids are 32 hex digits, codes are
text and never numbers. None means unknown or not applicable. A value that several events carry has
a name (values.py). Each chapter ends with the union of its events.
"""

from __future__ import annotations

from events.catalogue.calls import *
from events.catalogue.cases import *
from events.catalogue.evaluations import *
from events.catalogue.issues import *
from events.catalogue.outcomes import *
from events.catalogue.reference import *
from events.catalogue.values import *

Event = Adopted | IssueEvent | CaseEvent | CallEvent | OutcomeEvent | EvaluationEvent
