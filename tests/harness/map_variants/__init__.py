"""Maps as cities publish them: a made-up city with one fault of a kind, in one of many forms.

`python -m tests.harness.map_variants 500` makes so many, lets `map check` name the fault and
`map mend` repair it, and prints the counts by kind.
"""

from tests.harness.map_variants import (  # noqa: F401  # Each enters its kinds.
    clean,
    codes,
    formats,
    outlines,
    reference_systems,
)
