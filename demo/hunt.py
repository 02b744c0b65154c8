"""The demo's last question: could m8 have read it? Search everything that m8 has, and prove that the search can see."""

from __future__ import annotations

import secrets
import sqlite3
import string
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from monoskope.testing.cluster import Cluster
from monoskope.testing.search import FORMS, Result, Wanted, look_in_file, look_in_rows, write_form
from monoskope.testing.search.memory import look_in_memory

VALUE = "your value"
CONTROL = "control"
MEMORY = "memory of the m8 process"
COLUMNS = (("raw", ("raw",)), ("base64", ("base64", "base64url")), ("hex", ("hex",)))


def new_control() -> bytes:
    """A random text that no place can hold by chance, and whose base64 is the same in both alphabets."""
    letters = string.ascii_letters + string.digits
    while True:
        control = "".join(secrets.choice(letters) for _ in range(12)).encode()
        if all(write_form(control, form).isalnum() for form in FORMS):
            return control


def control_path(control: bytes) -> str:
    """A secret's path that spells the control value out in every form: nobody hides a path."""
    return "/".join(dict.fromkeys(write_form(control, form) for form in FORMS))


def merge_write_ahead_log(database: Path) -> None:
    """Copy the write-ahead log into the database, as SQLite does by itself after 1,000 pages; it keeps both."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


@dataclass(frozen=True, slots=True)
class Hunt:
    """What was looked through: what m8 has, and the log files of everybody else."""

    m8: list[Result]
    others: list[Result]

    @property
    def all(self) -> list[Result]:
        """Every place."""
        return [*self.m8, *self.others]

    @property
    def searched(self) -> list[Result]:
        """The places that could be read."""
        return [result for result in self.all if result.searched]

    def hits(self, name: str) -> int:
        """Hits in all places that could be read."""
        return sum(result.total(name) for result in self.searched)

    def blind_spots(self) -> list[str]:
        """Where, among what m8 has, the control was not found in some form although it was planted there."""
        return [
            f"{result.place}: {form}"
            for result in self.m8
            if result.searched
            for form, count in result.hits[CONTROL].items()
            if count == 0
        ]


def hunt(cluster: Cluster, wanted: Sequence[Wanted]) -> Hunt:
    """Search m8's database, its write-ahead log, rows, log file and memory; then every other log file."""
    home, pid = cluster.folder / "m8", cluster.m8.pid
    assert pid is not None
    m8 = [
        look_in_memory(pid, wanted, place=MEMORY),
        look_in_file(home / "log.db", wanted, place="m8/log.db"),
        look_in_file(home / "log.db-wal", wanted, place="m8/log.db-wal"),
        look_in_rows(home / "log.db", wanted, place="m8/log.db, cell by cell"),
        look_in_file(cluster.m8.log, wanted, place="m8/m8.log"),
    ]
    others = [part.log for part in cluster.reactors.values()]
    others += [part.log.with_name("audit.jsonl") for part in cluster.reactors.values()]
    others += [cluster.bao.log_file, cluster.bao.audit_log]
    return Hunt(m8, [look_in_file(file, wanted, place=str(file.relative_to(cluster.folder))) for file in others])


def table(results: Iterable[Result], names: Sequence[str]) -> str:
    """Hits by place, value and encoding."""
    titles = [title for title, _ in COLUMNS]
    head = f"{'':<32}{'':>10}" + "".join(f"  {name:^22}" for name in names)
    lines = [head.rstrip()]
    lines.append(
        f"{'place':<32}{'searched':>10}" + ("  " + "".join(f"{title:>7}" for title in titles) + " ") * len(names)
    )
    for result in results:
        if not result.searched:
            lines.append(f"{result.place:<32}not searched: {result.reason}")
            continue
        cells = "".join(f"  {_cells(result, name)} " for name in names)
        lines.append(f"{result.place:<32}{_size(result.size):>10}{cells}")
    return "\n".join(line.rstrip() for line in lines)


def _cells(result: Result, name: str) -> str:
    return "".join(f"{sum(result.total(name, encoding) for encoding in encodings):>7}" for _, encodings in COLUMNS)


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1_000_000 else f"{size / 1e3:.1f} kB"
