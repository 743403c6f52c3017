"""The admission list: the level that may have a matter of each category. Invented for this demo."""

from __future__ import annotations

from typing import NamedTuple

from events.catalogue import Level
from events.reference_data import AdmissionList, AdmissionRow


class Category(NamedTuple):
    """A kind of matter, the level that may have it, and the row of the list that says so."""

    code: str
    zh: str
    en: str
    level: Level
    rule: str


GRIDWORK = "准入清单（演示）甲类: what a gridworker can see, explain or settle on the spot"
UTILITY = "准入清单（演示）乙类: the street leads, with the supplier; a grid has no means for it"
INSPECTED = "准入清单（演示）乙类: an inspection needs the powers of the street"
DEPARTMENT = "准入清单（演示）丙类: only a department of the district may decide it"
DISCIPLINE = (
    "准入清单（演示）丁类: a complaint about staff goes to discipline inspection, never to a grid"
)

CATEGORIES = (
    Category("noise", "噪声扰民", "Noise", "grid", GRIDWORK),
    Category("rubbish", "垃圾清运", "Rubbish", "grid", GRIDWORK),
    Category("drainage", "积水排水", "Drainage", "grid", GRIDWORK),
    Category("road", "路面破损", "Road damage", "grid", GRIDWORK),
    Category("streetlight", "路灯故障", "Street light", "grid", GRIDWORK),
    Category("tree", "树木倒伏", "Trees", "grid", GRIDWORK),
    Category("parking", "停车乱象", "Parking", "grid", GRIDWORK),
    Category("dogs", "犬只扰民", "Dogs", "grid", GRIDWORK),
    Category("neighbours", "邻里纠纷", "Quarrel of neighbours", "grid", GRIDWORK),
    Category("fire_lane", "消防通道堵塞", "Blocked fire lane", "grid", GRIDWORK),
    Category("elderly", "独居老人帮扶", "Help for the elderly", "grid", GRIDWORK),
    Category("stalls", "占道经营", "Street stalls", "grid", GRIDWORK),
    Category("advice", "政策咨询", "Advice on rules", "grid", GRIDWORK),
    Category("water", "供水故障", "Water supply", "street", UTILITY),
    Category("power", "供电故障", "Power supply", "street", UTILITY),
    Category("gas", "燃气隐患", "Gas", "street", UTILITY),
    Category("heating", "供暖不热", "Heating", "street", UTILITY),
    Category("property", "物业管理", "Property management", "street", INSPECTED),
    Category("building", "违法建设", "Illegal building", "street", INSPECTED),
    Category("food", "食品安全", "Food safety", "street", INSPECTED),
    Category("wages", "拖欠工资", "Unpaid wages", "district", DEPARTMENT),
    Category("land", "征地拆迁", "Land and demolition", "district", DEPARTMENT),
    Category("schools", "入学问题", "School places", "district", DEPARTMENT),
    Category("conduct", "工作人员作风", "Conduct of staff", "district", DISCIPLINE),
)


def admission() -> AdmissionList:
    """Return the admission list."""
    return AdmissionList(
        tuple(AdmissionRow(category.code, category.level, category.rule) for category in CATEGORIES)
    )
