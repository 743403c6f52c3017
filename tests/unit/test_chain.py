"""The chain of inputs: each hash covers one input, its sender, and all inputs before it."""

from __future__ import annotations

from hashlib import sha256

import pytest

from intake.core.chain import (
    BEGINNING,
    GenerationLink,
    InputLink,
    hash_generation,
    hash_input,
)

GENERATION = GenerationLink(
    "licheng", start=0, number=1793606880000000, before=0, district_number=3, tracking_key="5f3b"
)
INPUT = InputLink(
    district="licheng",
    position=7,
    time=1_793_606_880_000_000,
    subject="0b6cf6bd6ec3e7b0a1f6f7a3c5d1e2f4",
    sequence=1,
    type="gridcall.visit-made.v1",
    content="11111111-2222-3333-4444-555555555555",
    credential="key:3f2a91c0",
    source="12345",
    data=b'{"action":"a"}',
)


def test_a_hash_is_what_anybody_can_compute_with_sha256() -> None:
    text = (
        "row\nlicheng\n7\n1793606880000000\n0b6cf6bd6ec3e7b0a1f6f7a3c5d1e2f4\n1\n"
        "gridcall.visit-made.v1\n11111111-2222-3333-4444-555555555555\nkey:3f2a91c0\n12345"
    )
    data = sha256(b'{"action":"a"}').digest()
    assert hash_input(b"before", INPUT) == sha256(b"before" + data + text.encode()).digest()
    text = "generation\nlicheng\n0\n1793606880000000\n0\n3\n5f3b"
    begun = sha256(sha256(b"").digest() + text.encode()).digest()
    assert hash_generation(BEGINNING, GENERATION) == begun


@pytest.mark.parametrize("field", InputLink._fields)
def test_a_change_of_any_field_of_an_input_changes_its_hash(field: str) -> None:
    old = getattr(INPUT, field)
    changed = INPUT._replace(**{field: old + (1 if isinstance(old, int) else old[:1])})
    assert hash_input(b"", changed) != hash_input(b"", INPUT)


@pytest.mark.parametrize("field", GenerationLink._fields)
def test_a_change_of_any_field_of_a_generation_changes_its_hash(field: str) -> None:
    old = getattr(GENERATION, field)
    changed = GENERATION._replace(**{field: old + (1 if isinstance(old, int) else old[:1])})
    assert hash_generation(b"", changed) != hash_generation(b"", GENERATION)


def test_a_part_of_a_field_cannot_be_moved_into_the_next_one() -> None:
    moved = INPUT._replace(credential="key:3f2a91c", source="012345")
    assert hash_input(b"", moved) != hash_input(b"", INPUT)
    moved = INPUT._replace(credential="key:3f2a91c0\n12345", source="")
    assert hash_input(b"", moved) != hash_input(b"", INPUT)


def test_a_change_of_one_input_changes_every_later_hash() -> None:
    later = INPUT._replace(position=8)
    changed = INPUT._replace(source="petitions")
    assert hash_input(hash_input(b"", INPUT), later) != hash_input(hash_input(b"", changed), later)
