"""The names of units, grids and categories."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

from events.reference_data import Names
from gridcall.demo.licheng.admission import CATEGORIES
from gridcall.demo.licheng.grid_map import dedicated_grids, grid_boxes
from gridcall.demo.licheng.units import CODE, Unit, communities, streets

# Dedicated grids take these kinds in turn.
KINDS = (
    ("学校", "school"),
    ("企业", "firm"),
    ("市场", "market"),
    ("企业", "firm"),
    ("医院", "hospital"),
)


def district_names() -> Names:
    """Return the names of the district, its streets, communities and grids, and of categories."""
    names = {CODE: {"zh": "历城区", "en": "Licheng"}}
    names |= {unit.code: {"zh": unit.name, "en": f"{unit.english} Street"} for unit in streets()}
    names |= {
        unit.code: {"zh": short_name(unit.name), "en": english_name(unit)} for unit in communities()
    }
    names |= dict(grid_names())
    names |= {category.code: {"zh": category.zh, "en": category.en} for category in CATEGORIES}
    return Names(schematic=True, names=names)


def short_name(name: str) -> str:
    """Return a community's everyday name, such as 甸柳社区 or 韩仓村."""
    if name.endswith("居民委员会"):
        return name.removesuffix("居民委员会")
    return name.removesuffix("村民委员会").removesuffix("村") + "村"


def english_name(unit: Unit) -> str:
    """Return a community's name in English, such as Dianliu Community or Hancang Village."""
    return f"{unit.english} {'Community' if unit.is_urban else 'Village'}"


def grid_names() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each grid with its names.

    They are such as 甸柳社区第五网格（专属·学校） and Dianliu, grid 5 (dedicated · school).
    """
    units = {unit.code: unit for unit in communities()}
    dedicated = dedicated_grids()
    kinds = cycle(KINDS)
    for code in sorted(grid_boxes()):
        unit, number = units[code[:12]], int(code[12:])
        zh, en = "基础", "basic"
        if code in dedicated:
            kind_zh, kind_en = next(kinds)
            zh, en = f"专属·{kind_zh}", f"dedicated · {kind_en}"
        yield (
            code,
            {
                "zh": f"{short_name(unit.name)}第{numeral(number)}网格（{zh}）",
                "en": f"{unit.english}, grid {number} ({en})",
            },
        )


def numeral(number: int) -> str:
    """Return a number from 1 to 99 in Chinese."""
    digits = "零一二三四五六七八九"
    tens, ones = divmod(number, 10)
    return (
        ("" if tens < 2 else digits[tens]) + ("十" if tens else "") + (digits[ones] if ones else "")
    )
