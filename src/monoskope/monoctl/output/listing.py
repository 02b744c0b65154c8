"""What `monoctl get` prints: tables that fit a terminal, whole texts with `-o wide`, and forms for programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monoskope.client.versions import typed
from monoskope.late import pattern
from monoskope.monoctl.output import write
from monoskope.monoctl.output.formats import Document, emit

TABLE, WIDE, NAME = "table", "wide", "name"
TABLES = frozenset({TABLE, WIDE})
WORDS = (TABLE, WIDE, "json", "yaml", NAME)
_HASH = pattern(r"(fp1:[0-9a-f]{4})[0-9a-f]{12}:([0-9a-f]{8})[0-9a-f]{52}([0-9a-f]{4})", re.ASCII)


def short(hash_: str) -> str:
    """Return a hash with enough digits to compare by eye: `fp1:63e8…:81a7ff70…9c2e`; other text as it is."""
    found = _HASH.fullmatch(hash_)
    return hash_ if found is None else f"{found[1]}…:{found[2]}…{found[3]}"


def show(
    form: str,
    found: Document | Sequence[Document],
    columns: Mapping[str, str],
    *,
    name: str,
    wide: Mapping[str, str] | None = None,
    nothing: str = "",
) -> None:
    """Print documents.

    Args:
        form: How.
        found: One document, or a list of them.
        columns: As for `emit`.
        name: The field that `-o name` prints.
        wide: The columns of `-o wide`, if they are others.
        nothing: As for `emit`.
    """
    if form == NAME:
        documents = [found] if isinstance(found, dict) else found
        if documents:
            write.out(*(str(document[name]) for document in documents))
    elif form == TABLE:
        emit(TABLE, [_shortened(document) for document in _several(found)], columns, nothing=nothing)
    elif form == WIDE:
        emit(TABLE, found, wide or columns, nothing=nothing)
    else:
        emit(form, found, columns, nothing=nothing)


def in_tables(form: str) -> bool:
    """Whether a person reads it."""
    return form in TABLES


def plain(form: str) -> str:
    """Return the form for what stands beside the answer: "table" where a person reads it, else "json"."""
    return TABLE if in_tables(form) else "json"


def _several(found: Document | Sequence[Document]) -> Sequence[Document]:
    return [found] if isinstance(found, dict) else found


def _shortened(document: Document) -> Document:
    return {field: _SHORTENS[field](value) if field in _SHORTENS else value for field, value in document.items()}


_SHORTENS: Mapping[str, Callable[[Any], Any]] = {
    "hash": short,
    "values": lambda values: {key: short(hash_) for key, hash_ in values.items()},
    "upstream_version": typed,
    "prior_version": typed,
}
"""How a table that must fit shows a field. A version is what `--expect` takes, as its engine shows it."""
