"""The step `database`: where the log is kept. A bad address or certificate is refused at the question."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from monoskope.errors import IdentityChangedError
from monoskope.m8.cli.setup.context import Setup
from monoskope.m8.log.opening import need_driver
from monoskope.m8.log.postgres.target import PASSWORD_VARIABLE
from monoskope.m8.settings import ServerSettings
from monoskope.settings import find_private, write_private

PASSWORD_FILE = "db.password"  # noqa: S105 - a name
_ASKED = frozenset({"database", "database_ca"})


def prepare_database(setup: Setup) -> str:
    """Let m8 keep its log where the answer says, and make what is missing there."""
    loaded = setup.loaded()
    if loaded.database is None and loaded.event_log.exists():
        return f"the log is {loaded.event_log}"
    if loaded.database is None:
        loaded = _named(setup, loaded)
    if loaded.database is None:
        return f"the log will be {loaded.event_log}"
    need_driver()
    from monoskope.m8.cli.setup import postgres  # noqa: PLC0415 - the driver is an extra

    postgres.prepare(setup, loaded, loaded.database)
    return f"the log is in the PostgreSQL database {loaded.database}"


def _named(setup: Setup, loaded: ServerSettings) -> ServerSettings:
    """Ask for the database, and write it into the settings with a password that is made now."""
    ca, is_unknown = setup.asked.known("database_ca"), False

    def check(url: str) -> None:
        nonlocal is_unknown
        is_unknown = False
        try:
            _reach(setup, url, ca)
        except IdentityChangedError:
            if ca or not setup.asked.can_ask:
                raise
            is_unknown = True

    url = setup.asked.get("database", check)
    if not url:
        return loaded
    if is_unknown:
        ca = setup.asked.get("database_ca", lambda file: _reach(setup, url, file))
    ca = setup.authority("database_ca", ca)
    values = _settings(url, ca) | {name: value for name, value in setup.database.items() if name not in _ASKED}
    if "database_password_file" not in values and not os.environ.get(PASSWORD_VARIABLE):
        if find_private(setup.folder / PASSWORD_FILE) is None:
            write_private(setup.folder / PASSWORD_FILE, f"{secrets.token_urlsafe(24)}\n".encode())
        values["database_password_file"] = PASSWORD_FILE
    return setup.add(values)


def _settings(url: str, ca: str) -> dict[str, str]:
    return {"database": url, **({"database_ca": str(Path(ca).absolute())} if ca else {})}


def _reach(setup: Setup, url: str, ca: str) -> None:
    """Raise unless a PostgreSQL answers at a URL, with a certificate that counts; "" is no database."""
    if url:
        need_driver()
        from monoskope.m8.cli.setup import postgres  # noqa: PLC0415 - as above

        found, _ = setup.with_added(_settings(url, ca))
        assert found.database is not None, "it is named"
        postgres.check_reached(found.database)
