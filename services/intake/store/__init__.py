"""Intake's statements, a file per subject: only here is SQL on its schema."""

from __future__ import annotations

from intake.store.access import AccessStore
from intake.store.clock import ClockStore
from intake.store.condition import ConditionStore, DistrictState
from intake.store.cut import CutStore
from intake.store.districts import DistrictStore
from intake.store.inbound import InboundStore, Progress
from intake.store.inputs import InputStore, StoredIdentity
from intake.store.keys import KeyStore, StoredKey
from intake.store.record import RecordStore
from intake.store.reference import ReferenceStore, StoredAdoption

__all__ = [
    "AccessStore",
    "ConditionStore",
    "CutStore",
    "DistrictState",
    "InboundStore",
    "IntakeStore",
    "KeyStore",
    "Progress",
    "RecordStore",
    "StoredAdoption",
    "StoredIdentity",
    "StoredKey",
]


class IntakeStore(InputStore, DistrictStore, ReferenceStore, ClockStore):
    """The tables of inputs, districts, reference data and the clock."""
