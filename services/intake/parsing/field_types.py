"""Types of the fields of an item: texts with limits, instants, objects without unknown fields."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any
from unicodedata import combining, is_normalized, normalize

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import chain_schema, no_info_plain_validator_function, str_schema

from events.instants import RFC_3339, instant_of
from events.texts import UNSEEN

PRINTABLE = f"^[^{UNSEEN}]*$"
UNBROKEN = rf"^[^/\s{UNSEEN}]*$"  # For what occurs in ids and addresses.
ID = r"^[0-9a-f]{32}$"
BLANKS = r"\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
# The same for JSON Schema: and at least one character that is no white space.
JSON_SCHEMA_PATTERNS = {
    PRINTABLE: f"^[^{UNSEEN}]*[^{UNSEEN}{BLANKS}][^{UNSEEN}]*$",
    UNBROKEN: f"^[^/{UNSEEN}{BLANKS}]+$",
}
# In a row, as Unicode's stream-safe text has them. To sort 30,000 of them takes seconds.
ACCENTS_MAX = 30


@dataclass(frozen=True)
class Chars:
    """A text that fits `pattern` as it came, and is stored trimmed and in NFC.

    Then it has 1 to `chars_max` characters.
    """

    chars_max: int
    pattern: str = PRINTABLE

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        received = str_schema(strict=True, pattern=self.pattern)
        stored = str_schema(strip_whitespace=True, min_length=1, max_length=self.chars_max)
        return chain_schema([received, no_info_plain_validator_function(to_nfc), stored])

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {
            "type": "string",
            "minLength": 1,
            "maxLength": self.chars_max,
            "pattern": JSON_SCHEMA_PATTERNS[self.pattern],
        }


def to_nfc(text: str) -> str:
    """Return a text in NFC. Raises ValueError for more than ACCENTS_MAX accents in a row."""
    if is_normalized("NFC", text):
        return text
    runs = (len(list(run)) for accents, run in groupby(text, is_accent) if accents)
    if max(runs, default=0) > ACCENTS_MAX:
        raise ValueError(f"has more than {ACCENTS_MAX} accents in a row: take them out")
    return normalize("NFC", text)


def is_accent(char: str) -> bool:
    """Tell if normalising may have to sort a character.

    It combines, or it is one of the three that decompose into such.
    """
    return combining(char) > 0 or char in "\u0f73\u0f75\u0f81"


class Rfc3339:
    """An instant that is written as a time of RFC 3339."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return chain_schema([str_schema(strict=True), no_info_plain_validator_function(instant_of)])

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time", "pattern": RFC_3339}


Text = Annotated[str, Chars(200)]
Code = Annotated[str, Chars(64)]
DistrictCode = Annotated[str, Chars(64, UNBROKEN)]
HexId = Annotated[str, Field(pattern=ID)]
Time = Annotated[int, Rfc3339()]


class Strict(BaseModel):
    """An object without unknown fields. null says the same as leaving an optional field out."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )
