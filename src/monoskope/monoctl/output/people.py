"""Display names beside ids in what is printed: in tables with the id's end, where something is decided behind the id.

JSON and YAML keep the id in its field, and have the name in one of its own: `actor_name` beside `actor`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from monoskope.client.people import People
from monoskope.monoctl.output.formats import NAME, TABLES, WIDE, Document

NAMES = "names in quotation marks are m8's word, and others may have the same. The id decides; `-o json` has it whole."
"""Below a table with names."""

_FIELDS = frozenset({"actor", "subject", "member", "members", "made_by", "notes_edited_by", "ended_by"})
"""Those that hold the ids of people."""


def named(form: str, documents: Sequence[Document], people: People, *, whole: bool = False) -> list[Document]:
    """Return documents with names beside the ids of people.

    Args:
        form: How they are printed.
        documents: What is printed.
        people: The names.
        whole: Whether a table shows the whole id first, as one does by which something is decided.
    """
    if form == NAME:
        return list(documents)
    if form in TABLES:
        shown = people.with_id if whole or form == WIDE else people.with_end
        return [{field: _shown(field, value, shown) for field, value in one.items()} for one in documents]
    return [_with_fields(one, people) for one in documents]


def _shown(field: str, value: Any, shown: Callable[[str], str]) -> Any:  # noqa: ANN401 - what JSON can say
    if field not in _FIELDS:
        return value
    return [shown(one) for one in value] if isinstance(value, list) else shown(value)


def _with_fields(document: Document, people: People) -> Document:
    found: Document = {}
    for field, value in document.items():
        found[field] = value
        if field in _FIELDS and isinstance(value, str) and (name := people.name(value)):
            found[f"{field}_name"] = name
        elif field == "approvals":
            found[field] = [_with_fields(one, people) for one in value]
    return found
