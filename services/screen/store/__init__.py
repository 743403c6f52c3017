"""The screen's tables, behind a class for each use: the models, what is in one, and its lists."""

from __future__ import annotations

from screen.store.lists import ListStore
from screen.store.models import ModelStore, ReadLog, StoredModel
from screen.store.pages import PageStore

__all__ = ["ListStore", "ModelStore", "PageStore", "ReadLog", "StoredModel"]
