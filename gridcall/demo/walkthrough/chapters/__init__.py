"""The chapters of the walk-through. Their names are keys of `sentences.json`."""

from __future__ import annotations

from gridcall.demo.walkthrough.chapters.answer import answer
from gridcall.demo.walkthrough.chapters.climb import climb
from gridcall.demo.walkthrough.chapters.count import count
from gridcall.demo.walkthrough.chapters.crash import crash
from gridcall.demo.walkthrough.chapters.follow import follow
from gridcall.demo.walkthrough.chapters.post import post
from gridcall.demo.walkthrough.chapters.repeat import repeat
from gridcall.demo.walkthrough.chapters.solve import solve
from gridcall.demo.walkthrough.chapters.verify import verify

CHAPTERS = (post, repeat, follow, climb, answer, solve, count, crash, verify)
