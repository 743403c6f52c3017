"""Values of JSON for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(['":', ' ":', "\0", "\\"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


def finite(value: Any) -> Any:
    """Return a value with 0 for what JSON has no number for."""
    if isinstance(value, float) and value - value != 0:
        return 0
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return (
        {key: finite(inner) for key, inner in value.items()} if isinstance(value, dict) else value
    )
