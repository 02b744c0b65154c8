"""The forms of one answer: tables for people, short or with `-o wide` whole; JSON, YAML and names for programs."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from monoskope.lazy import pattern
from monoskope.monoctl.output import terminal
from monoskope.text import escape, is_shown, json_text
from monoskope.times import ago, rfc3339

if TYPE_CHECKING:
    from monoskope.value import Value

Document = dict[str, Any]

_OF_PEOPLE = frozenset({"signer", "signer_key", "change_sha256", "approvers", "break_glass"})

TABLE, WIDE, NAME = "table", "wide", "name"
TABLES = frozenset({TABLE, WIDE})
"""Those that people read."""
WORDS = (TABLE, WIDE, "json", "yaml", NAME)
_HASH = pattern(r"(fp1:[0-9a-f]{4})[0-9a-f]{12}:([0-9a-f]{8})[0-9a-f]{52}([0-9a-f]{4})", re.ASCII)


def plain(value: object) -> Any:  # noqa: ANN401 - what JSON can say
    """Return a value of the client's as JSON can say it."""
    from monoskope.value import Value  # noqa: PLC0415 - a help needs none

    match value:
        case Value():
            return fields_of(value)
        case date():
            return rfc3339(round(value.timestamp() * 1000)) if isinstance(value, datetime) else value.isoformat()
        case Enum():
            return value.name
        case list() | tuple() | frozenset():
            return [plain(one) for one in (sorted(value) if isinstance(value, frozenset) else value)]
        case dict():
            return {name: plain(one) for name, one in value.items()}
        case _:
            return value


def fields_of(value: Value) -> Document:
    """Return the fields of a value by name, without those that its `repr` hides; "" for a time or day not known."""
    shown = {name: getattr(value, name) for name in value.__struct_fields__ if name not in value.hidden}
    return {
        name: "" if field is None and name.endswith(("_at", "_on")) else plain(field) for name, field in shown.items()
    }


def done(result: Any) -> Document:  # noqa: ANN401 - of `monoskope.client.walk.results`
    """Return what a receipt proves of a request; who signed and approved it, only where somebody did."""
    return {name: value for name, value in fields_of(result).items() if value or name not in _OF_PEOPLE}


def emit(form: str, document: Document | Sequence[Document], columns: Mapping[str, str], *, nothing: str = "") -> None:
    """Print documents to stdout.

    Args:
        form: "table", "json" or "yaml".
        document: One, or a list of them.
        columns: Header to the document's field, for the table; a field ending in `_at` is shown as how long ago.
        nothing: What a table says on stderr instead of being empty.
    """
    if form == "json":
        terminal.out(*json_text(document, indent=2).split("\n"))
    elif form == "yaml":
        terminal.out(*yaml_text(document).split("\n"), end="")
    else:
        documents = [document] if isinstance(document, dict) else list(document)
        if not documents:
            terminal.err(nothing)
            return
        table(list(columns), [[cell(row, field) for field in columns.values()] for row in documents])


def cell(document: Document, field: str) -> str:
    """Return one field as a table shows it."""
    value = document.get(field)
    if field.endswith("_at"):
        return _when(value) if isinstance(value, str) else "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        # Labels as `--label` takes them.
        sign = "=" if field == "labels" else " "
        return escape(", ".join(f"{key}{sign}{text}" for key, text in value.items())) or "-"
    if isinstance(value, list):
        return escape(", ".join(_words(one) for one in value)) or "-"
    return escape(str(value)) if value not in (None, "") else "-"


def _words(value: object) -> str:
    """One of several, such as an approver with the key."""
    return " ".join(map(str, value.values())) if isinstance(value, Mapping) else str(value)


def _when(text: str) -> str:
    """How long ago what `rfc3339` returned was."""
    try:
        return ago(int(datetime.fromisoformat(text).timestamp() * 1000) if text else 0)
    except ValueError:
        return text


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headers, columns as wide as needed."""
    widths = [max(len(row[index]) for row in [headers, *rows]) for index in range(len(headers))]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True)).rstrip()

    terminal.out("", *map(line, rows), mark=line(headers), bold=True)


def pairs(items: Mapping[str, str], *, err: bool = False, fold: bool = False) -> None:
    """Print names and values, one a line.

    Args:
        items: The values by their names.
        err: To stderr, beside what a command prints.
        fold: On a terminal no part of a value begins a line, however long it is (`terminal.folded`).
    """
    write, stream = (terminal.err, sys.stderr) if err else (terminal.out, sys.stdout)
    items = {escape(name): value for name, value in items.items()}
    width = max(len(name) for name in items) + 1
    for name, value in items.items():
        lines = terminal.folded(value or "-", width + 2, stream) if fold else [value or "-"]
        write(*lines, mark=f"{name}:".ljust(width) + "  ", bold=True)


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
    documents = [found] if isinstance(found, dict) else found
    if form == NAME:
        if documents:
            terminal.out(*(str(document[name]) for document in documents))
    elif form == TABLE:
        emit(TABLE, [_shortened(document) for document in documents], columns, nothing=nothing)
    elif form == WIDE:
        emit(TABLE, found, wide or columns, nothing=nothing)
    else:
        emit(form, found, columns, nothing=nothing)


def _shortened(document: Document) -> Document:
    """Return a document as a table that must fit shows it. A version is what `--expect` takes."""
    from monoskope.client.purposes import typed  # noqa: PLC0415 - only where something is listed

    shorter: dict[str, Callable[[Any], Any]] = {
        "hash": short,
        "values": lambda values: {key: short(hash_) for key, hash_ in values.items()},
        "upstream_version": typed,
        "prior_version": typed,
    }
    return {field: shorter[field](value) if field in shorter else value for field, value in document.items()}


def yaml_text(document: object) -> str:
    """Return `document` as YAML that parses to what it was; only its line feeds are characters that are not shown."""
    import yaml  # noqa: PLC0415 - the other forms do not need it

    class Dumper(yaml.SafeDumper):
        """Quotes every text that is not shown, so that its characters can be escaped."""

    def represented(dumper: Dumper, text: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_shown(text) else '"')

    Dumper.add_representer(str, represented)
    text = yaml.dump(document, Dumper=Dumper, allow_unicode=True, sort_keys=False)
    # Inside quotes, YAML itself uses the same escapes: \u202e, \U000e0001.
    return "\n".join(escape(line) for line in text.split("\n"))
