"""Three forms of the same answer: a table for people, JSON and YAML for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from monoskope.escape import escape, json_text
from monoskope.monoctl.output import write
from monoskope.times import ago

Document = dict[str, Any]


def emit(form: str, document: Document | Sequence[Document], columns: Mapping[str, str], *, nothing: str = "") -> None:
    """Print documents to stdout.

    Args:
        form: "table", "json" or "yaml".
        document: One, or a list of them.
        columns: Header to the document's field, for the table; a field ending in `_at` is shown as how long ago.
        nothing: What a table says on stderr instead of being empty.
    """
    if form == "json":
        write.out(*json_text(document, indent=2).split("\n"))
    elif form == "yaml":
        from monoskope.monoctl.output.yaml_text import yaml_text  # noqa: PLC0415 - the other forms do not need it

        write.out(*yaml_text(document).split("\n"), end="")
    else:
        documents = [document] if isinstance(document, dict) else list(document)
        if not documents:
            write.err(nothing)
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
        return escape(", ".join(map(str, value))) or "-"
    return escape(str(value)) if value not in (None, "") else "-"


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

    write.out("", *map(line, rows), mark=line(headers), bold=True)


def pairs(items: Mapping[str, str]) -> None:
    """Print names and values, one a line."""
    items = {escape(name): value for name, value in items.items()}
    width = max(len(name) for name in items) + 1
    for name, value in items.items():
        write.out(value or "-", mark=f"{name}:".ljust(width) + "  ", bold=True)
