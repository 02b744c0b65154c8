"""Whether a file is valid by a schema that check-jsonschema brings."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner


def faults(schema: str, file: Path) -> str:
    """What check-jsonschema says of a file that is not valid by its schema of that name, else nothing."""
    from check_jsonschema import main  # type: ignore[import-untyped]  # noqa: PLC0415 - it loads for long

    ended = CliRunner().invoke(main, ["--builtin-schema", f"vendor.{schema}", str(file)])
    return f"{ended.output}{ended.exception!r}" if ended.exit_code else ""
