"""The admission list: which level may have the cases of a category."""

from __future__ import annotations

from routing.core.reference import Admission, Reference

UNRESTRICTED = Admission("grid", "")


def admit(category: str, reference: Reference) -> Admission:
    """Return the admission of a category. A category without a row belongs to the district.

    Before a list is adopted, the grids may have every category.
    """
    if reference.admission is None:
        return UNRESTRICTED
    row = reference.admission.get(category)
    return row or Admission("district", f"{category!r} is not on {reference.used.admission}")
