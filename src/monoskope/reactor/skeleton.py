"""The first `reactor.toml`, and the lists of signers, still empty.

Its `[engine]` table is the driver's own example, to fill in or ready to run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli_w

from monoskope.errors import docs_page
from monoskope.reactor.settings import ReactorFile
from monoskope.reactor.settings_argument import SETTINGS_FILE
from monoskope.reactor.signers.list_file import END
from monoskope.settings import convert, write_private
from monoskope.stores.driver import StoreDriver

_SIGNERS = f"""
# This reactor does what m8 asks. With a table [signers] it acts only on what a key of its own list signed:
# {docs_page("operate/signers.md")} says how to turn that on, and in which order.
# The lists are allowed_signers and revoked_keys.
"""
_LISTS = {
    "allowed_signers": """\
# Whose keys count, once reactor.toml has a table [signers]: PRINCIPAL [OPTIONS] KIND BASE64, one a line.
""",
    "revoked_keys": """\
# Which keys no longer count: SHA256:… of a key or a CA, or of a CA with `serial N` or `id KEY-ID`, one a line.
""",
}
_LAST = f"""\
# The last line says that nothing is missing. Without it this reactor refuses everybody.
{END}
"""


def write(
    folder: Path,
    *,
    server: str,
    ca_file: Path,
    store: str,
    prefixes: list[str],
    driver: type[StoreDriver],
    allow_swap: bool = False,
) -> None:
    """Write the settings and the lists of a new reactor into `folder`, an absolute path.

    `server` may be a list with commas. Lists that are there already stay.

    Raises:
        UsageError: a value is bad.
    """
    table: dict[str, Any] = {
        "server": server.split(",") if "," in server else server,
        "ca_file": str(ca_file),
        "store": store,
        "prefixes": prefixes,
        "engine": {"type": driver.kind, **driver.example(folder)},
        "limits": {},
    }
    if allow_swap:
        table["allow_swap"] = True
    convert(table, ReactorFile, where=SETTINGS_FILE)
    text = tomli_w.dumps(table).replace("[engine]\n", f"[engine]\n{driver.example_notes}", 1)
    write_private(folder / SETTINGS_FILE, (text + _SIGNERS).encode())
    for name, about in _LISTS.items():
        if not (folder / name).exists():
            write_private(folder / name, (about + _LAST).encode())
