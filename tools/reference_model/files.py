"""The files of a run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml

from tools.reference_model.cases import make_case
from tools.reference_model.evaluations import evaluations_table
from tools.reference_model.places import CityMap
from tools.reference_model.records import select_rows
from tools.reference_model.rows import Spec, nfc
from tools.reference_model.summary import summary
from tools.reference_model.tables import calls_table, cases_table, table
from tools.reference_model.times import in_zone

REJECTED = "file,line,reference,column,value,reason"


def expected_files(profile: Path, map_dir: Path, inputs: list[Path], until: str) -> dict[str, str]:
    """Return the text of each file that `simulate` must write for these inputs, by its name."""
    # BaseLoader leaves a code such as 0101 a text.
    spec: Spec = nfc(yaml.load(profile.read_text(encoding="utf-8"), Loader=yaml.BaseLoader))
    end = in_zone(datetime.fromisoformat(until), ZoneInfo(spec["zone"])).utc
    selection = select_rows(spec, CityMap(spec, map_dir), inputs, end)
    cases = [make_case(spec, record, end) for record in selection.records]
    return {
        "cases.csv": cases_table(spec, cases),
        "calls.csv": calls_table(spec, cases),
        "evaluations.csv": evaluations_table(spec, cases, end),
        "rejected.csv": table(REJECTED, selection.rejected),
        "summary.json": summary(spec, selection, cases, end),
    }
