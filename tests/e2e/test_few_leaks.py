"""Some hundred marked values through what the other tests of this folder share, and none is in m8: `make leaks`, small.

It fails, and does not skip, where it cannot look.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager

from monoskope.testing.search import Result, Wanted, look, look_below, look_in_file, look_in_rows
from monoskope.testing.search.memory import look_in_memory
from tests.e2e.conftest import Team
from tests.e2e.ran import inside
from tests.leaks.looking import must_be_able_to_look
from tests.leaks.marks import Marks

PER_SECRET = 50


def test_of_hundreds_of_values_none_is_in_m8_its_database_its_memory_or_any_log(team: Team) -> None:
    marks, home, pid = Marks.of(0), team.cluster.folder, team.cluster.m8.pid
    assert pid is not None
    must_be_able_to_look(pid)
    said = [put(team, marks, "vault", "json"), put(team, marks, "local", "json")]
    said += [put(team, marks, "vault", "compared", verb="compare"), put(team, marks, "vault", "patched", verb="patch")]
    said.append(put(team, marks, "vault", "json", "--expect", "absent"))
    said.append(put(team, marks, "nowhere", "json"))
    assert [code for code, _ in said] == [0, 0, 12, 0, 6, 4]

    both = [Wanted("canaries", marks.canaries.wanted.needles), Wanted("controls", marks.controls.wanted.needles)]
    with planted(marks, team):
        files = look_below(home / "m8", both)
        files += [look_in_file(log, both) for log in home.glob("reactor-*/*.log")]
        rows = look_in_rows(home / "m8" / "log.db", both)
    printed = look("output", ["".join(text for _, text in said).encode(), b"\n".join(marks.planted())], both)
    memory = look_in_memory(pid, both, place="memory")
    for one in (*files, rows, printed, memory):
        assert one.searched, one.reason
        assert one.total("canaries") == 0, one.place
    database = [one for one in files if one.place.startswith("log.db")]
    assert blind(marks, database) == blind(marks, [rows]) == blind(marks, [printed]) == set()
    assert memory.total("controls", "raw") > 0, "m8 holds the paths"


def put(team: Team, marks: Marks, store: str, way: str, *words: str, verb: str = "put") -> tuple[int, str]:
    values = marks.values(way, PER_SECRET)
    listed = {key: {"base64": b64encode(one).decode()} for key, one in values.items()}
    content = json.dumps(listed).encode()
    ran = inside(
        team.user, verb, "secret", team.uri(store, marks.controls.mark), "--from-json", "-", *words, stdin=content
    )
    return ran.code, ran.out + ran.err


@contextmanager
def planted(marks: Marks, team: Team) -> Iterator[None]:
    """Have a control in each form in m8's database, beside its own tables, as long as the block runs."""
    with closing(sqlite3.connect(team.cluster.folder / "m8" / "log.db", timeout=30)) as connection:
        connection.execute("CREATE TABLE planted (body BLOB)")
        connection.executemany("INSERT INTO planted VALUES (?)", [(one,) for one in marks.planted()])
        connection.commit()
        yield
        connection.execute("DROP TABLE planted")
        connection.commit()


def blind(marks: Marks, results: list[Result]) -> set[str]:
    """The forms in which no control was found."""
    seen = {form for one in results for form, count in one.hits["controls"].items() if count}
    return set(marks.forms) - seen
