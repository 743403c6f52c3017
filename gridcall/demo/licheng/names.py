"""The names of units, grids and categories."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

from events.reference_data import Names
from gridcall.demo.licheng.admission import CATEGORIES
from gridcall.demo.licheng.grid_map import dedicated_grids, grid_boxes
from gridcall.demo.licheng.units import CODE, communities, streets

# Dedicated grids take these kinds in turn.
KINDS = (
    ("学校", "school"),
    ("企业", "firm"),
    ("市场", "market"),
    ("企业", "firm"),
    ("医院", "hospital"),
)
STREETS_IN_ENGLISH = {
    "山大路街道": "Shandalu", "洪家楼街道": "Hongjialou", "东风街道": "Dongfeng",
    "全福街道": "Quanfu", "华山街道": "Huashan", "荷花路街道": "Hehualu",
    "王舍人街道": "Wangsheren", "鲍山街道": "Baoshan", "郭店街道": "Guodian",
    "唐冶街道": "Tangye", "港沟街道": "Ganggou", "董家街道": "Dongjia", "彩石街道": "Caishi",
    "仲宫街道": "Zhonggong", "柳埠街道": "Liubu", "唐王街道": "Tangwang", "西营街道": "Xiying",
}  # fmt: skip


def district_names() -> Names:
    """Return the names of the district, its streets, communities and grids, and of categories."""
    names = {CODE: {"zh": "历城区", "en": "Licheng"}}
    names |= {
        unit.code: {"zh": unit.name, "en": f"{STREETS_IN_ENGLISH[unit.name]} Street"}
        for unit in streets()
    }
    names |= {unit.code: {"zh": short_name(unit.name)} for unit in communities()}
    names |= {code: {"zh": name} for code, name in grid_names()}
    names |= {category.code: {"zh": category.zh, "en": category.en} for category in CATEGORIES}
    return Names(schematic=True, names=names)


def short_name(name: str) -> str:
    """Return a community's everyday name, such as 甸柳社区 or 韩仓村."""
    if name.endswith("居民委员会"):
        return name.removesuffix("居民委员会")
    return name.removesuffix("村民委员会").removesuffix("村") + "村"


def grid_names() -> Iterator[tuple[str, str]]:
    """Yield each grid with its name, such as 甸柳社区第五网格（专属·学校）."""
    community_names = {unit.code: short_name(unit.name) for unit in communities()}
    dedicated = dedicated_grids()
    kinds = cycle(zh for zh, _ in KINDS)
    for code in sorted(grid_boxes()):
        kind = f"专属·{next(kinds)}" if code in dedicated else "基础"
        yield code, f"{community_names[code[:12]]}第{numeral(int(code[12:]))}网格（{kind}）"


def numeral(number: int) -> str:
    """Return a number from 1 to 99 in Chinese."""
    digits = "零一二三四五六七八九"
    tens, ones = divmod(number, 10)
    return (
        ("" if tens < 2 else digits[tens]) + ("十" if tens else "") + (digits[ones] if ones else "")
    )
