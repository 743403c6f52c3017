"""The templates of the pages, rendered as HTML."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape

FOLDER = Path(__file__).parent / "templates"

environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=select_autoescape())


def render(template: str, **values: object) -> str:
    """Return a template, filled with values."""
    return environment.get_template(template).render(**values)
