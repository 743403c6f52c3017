"""The 17 connected platforms."""

from __future__ import annotations

from typing import NamedTuple

from events.catalogue import Line


class Platform(NamedTuple):
    """A connected system of an upstream unit, and the line through which it posts."""

    source: str
    zh: str
    en: str
    line: Line


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
