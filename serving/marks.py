"""Which columns of an answer are masked, and which hold text that strangers wrote; pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from serving.catalog import CatalogColumn, CatalogView
from serving.envelope import Column
from serving.provenance import Origins, Output

Trust = Literal["trusted", "untrusted"]

_CARRIES_TEXT = (
    "VARCHAR",
    "JSON",
    "BLOB",
    "STRUCT",
    "MAP",
    "UNION",
    "ENUM",
    "[",
    "BIT",
    "VARIANT",
)


def view_columns(view: CatalogView) -> list[Column]:
    """The columns of a view as they are."""
    return [
        Column(
            name=column.name,
            type=column.type,
            masked=column.mask is not None,
            trust=trust_of(column.untrusted),
        )
        for column in view.columns
    ]


def answer_columns(
    columns: Sequence[tuple[str, str]],
    outputs: Sequence[Output] | None,
    reachable: Origins,
    views: Mapping[str, CatalogView],
) -> list[Column]:
    """The columns of a statement's answer, marked by what each may carry.

    Without ``outputs`` (not followed) every column may carry anything that is ``reachable``.
    A number or a date carries no text, so it is trusted, and it is masked only where a masked
    column of its own type flows into it.
    """
    followed = outputs if outputs is not None and len(outputs) == len(columns) else None
    marked = []
    for position, (name, kind) in enumerate(columns):
        origins = reachable if followed is None else followed[position].origins
        sources = list(_sources(origins, views))
        is_text = any(part in kind for part in _CARRIES_TEXT)
        untrusted = is_text and any(source.untrusted for source in sources)
        masked = any(s.mask is not None and (is_text or s.type == kind) for s in sources)
        marked.append(Column(name=name, type=kind, masked=masked, trust=trust_of(untrusted)))
    return marked


def trust_of(is_untrusted: bool) -> Trust:
    """The word for it in an answer."""
    return "untrusted" if is_untrusted else "trusted"


def _sources(origins: Origins, views: Mapping[str, CatalogView]) -> Iterable[CatalogColumn]:
    for view, name in origins:
        for column in views[view].columns:
            if column.name == name:
                yield column
