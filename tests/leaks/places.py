"""Every place where a value must not be, besides memory, searched for all marks in one pass."""

from __future__ import annotations

from pathlib import Path

from monoskope.testing.engines.postgres import USER, Postgres, run
from monoskope.testing.search import look, look_below, look_in_rows
from tests.leaks.found import Found
from tests.leaks.stores import PASSWORDS
from tests.leaks.world import World

FOLDERS = {"audit": "audit lines in a file", "tmp": "temporary files", "as-it-lay": "files of the database"}
KILLED = "killed-m8"
"""The folder of what m8's SQLite was when m8 was killed."""
MAY_HOLD = ("inputs/", "openbao/", "site/")
"""Below the cluster's folder: the user's own files, what is upstream, and the controls of the rig."""


def search_files(world: World, profiles: Path | None, found: Found) -> None:
    """Search what the parts of a world wrote, and what others heard of it."""
    marks = world.marks.wanted
    for name, body in world.heard.items():
        found.add(name, look(name, [body], marks))
    for result in look_below(world.folder, marks):
        if not result.place.startswith(MAY_HOLD):
            found.add(_group(result.place), result)
    others = {f"files of the {name} server": world.folder.parent / name for name in ("syslog", "webhook")}
    if PASSWORDS in {folder.name for folder in world.folder.parent.iterdir()}:
        others["files of the store pass"] = world.folder.parent / PASSWORDS
    others |= {} if profiles is None else {"profile of the browser": profiles}
    for place, folder in others.items():
        for result in look_below(folder, marks):
            found.add(place, result)
    _search_database(world, found)


def _search_database(world: World, found: Found) -> None:
    marks = world.marks.wanted
    if world.postgres is None:
        found.add("rows of the database", look_in_rows(world.folder / "m8" / "log.db", marks))
    else:
        for result in look_below(world.postgres.folder, marks):
            found.add("write-ahead log" if "/pg_wal/" in f"/{result.place}" else "files of the database", result)
        # Its own files can be compressed; what it shows is not.
        found.add("dump of the database", look("dump", [_dump(world.postgres)], marks))


def _dump(postgres: Postgres) -> bytes:
    address = ("-h", "127.0.0.1", "-p", str(postgres.port), "-U", USER, "m8")
    environment = {"PGPASSWORD": postgres.password, "PGSSLMODE": "require"}
    return run("pg_dump", *address, environment=environment).encode()


def _group(place: str) -> str:
    """Return the kind of place that a file below the cluster's folder is."""
    first, _, rest = place.partition("/")
    if first in FOLDERS:
        return FOLDERS[first]
    if first.startswith("reactor-"):
        return "files of reactors"
    if first == "backup":
        return "backups"
    if first in {"m8", KILLED}:
        kind = " of a killed m8" if first == KILLED else ""
        return f"write-ahead log{kind}" if rest == "log.db-wal" else _in_m8(rest)
    return "other files"


def _in_m8(rest: str) -> str:
    return "files of the database" if rest.startswith("log.db") else "files of m8"
