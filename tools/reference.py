"""Write docs/reference from the code, or check that what is committed is what would be written.

    python tools/reference.py            write docs/reference
    python tools/reference.py --check    compare; 1 on a difference, with the fix

`cli.md` is each command's own help, `errors.md` the table of stable codes and exit codes, `api.md` what proto/ says,
`settings.md` every field of the settings files of servers, `openapi.json` the HTTP door. `http.md` is written by hand
but for its table of errors and its example, and docs/settings.md but for its tables.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from tools import (  # noqa: E402 - found only now when run as a program
    api_reference,
    cli_reference,
    generate,
    http_reference,
    openapi,
    settings_reference,
)

REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Written by `make reference`; edit the code instead. -->\n"


def render() -> dict[str, str]:
    """File name to content of everything below docs/reference.

    Raises:
        GenerationError: protoc refused a file.
    """
    programs = {name: cli_reference.load(target) for name, target in cli_reference.PROGRAMS.items()}
    return {
        "cli.md": cli_reference.render_cli(programs, NOTE),
        "errors.md": cli_reference.render_errors(NOTE),
        "api.md": api_reference.render(generate.PROTO, NOTE),
        "settings.md": settings_reference.render(NOTE),
        "../settings.md": settings_reference.render_client(ROOT),
        "openapi.json": openapi.render(generate.PROTO),
        "http.md": http_reference.render(ROOT),
    }


def differing(fresh: dict[str, str], folder: Path) -> list[str]:
    """Names of files in `folder` that are missing or not as in `fresh`."""
    return [
        name
        for name, text in fresh.items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    chosen = parser.parse_args(arguments)
    fresh = render()
    if not chosen.check:
        REFERENCE.mkdir(parents=True, exist_ok=True)
        for name, text in fresh.items():
            (REFERENCE / name).write_text(text, encoding="utf-8")
        return 0
    names = differing(fresh, REFERENCE)
    for name in names:
        print(f"docs/reference/{name} is not what the code says. Run `make reference`, commit.", file=sys.stderr)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
