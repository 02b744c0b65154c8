"""A company with everything at once: two m8 on one PostgreSQL, witnesses with a quorum, logins, and signed requests.

Its log is renewed, one m8 is killed, and then the database is put back: who had pinned a later note is stopped.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.client import KeySigner, SyncClient
from monoskope.errors import LogMismatchError
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.engines.postgres import ADMIN, run
from monoskope.testing.parts import wait_until
from tests.e2e.ran import ok
from tests.support.company import ANNA
from tests.support.console import Console
from tests.support.console_calls import Page, value
from tests.support.operations import address_of as operations_of
from tests.support.operations import asked, samples
from tests.support.whole_company import Company, everything

pytestmark = pytest.mark.soak

LOG_MISMATCH = 18


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with everything(tmp_path_factory.mktemp("company")) as found:
        yield found


class Anna:
    """Somebody who puts in every way that there is."""

    def __init__(self, company: Company, patch: pytest.MonkeyPatch) -> None:
        self.company = company
        self.user = company.hire("anna")
        patch.setenv("HOME", str(self.user.home))
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            patch.delenv(name, raising=False)

    def put(self, path: str) -> Ran:
        words = ("put", "secret", f"vault://app/{path}", "--from-file", "password=-", "-o", "json", "--timeout", "60")
        return self.user.monoctl(*words, input=path.encode())

    def put_by_program(self, path: str) -> str:
        """Put by the SDK, and return who signed."""
        with SyncClient(signer=KeySigner(str(self.company.folder / "keys" / "anna"))) as client:
            return client.put_secret(f"vault://app/{path}", {"password": path.encode()}).signer

    def put_in_page(self, page: Page, path: str) -> dict[str, Any]:
        """Put in a page of the console, and return what it is told."""
        return page.send("put", {"uris": [f"vault://app/{path}"]}, [value("password", path.encode())]).document

    def log(self) -> dict[str, Any]:
        found: dict[str, Any] = ok(self.user.monoctl("get", "log", "-o", "json")).json()
        return found

    def waits_for_quorum(self) -> dict[str, Any]:
        """Wait until witnesses have cosigned all that is recorded, and return the log, which is pinned then."""
        head = self.company.head()
        wait_until(lambda: self.log()["witnessed_size"] >= head, what="a quorum has cosigned all", seconds=120)
        return self.log()


@contextlib.contextmanager
def console_of(user: User) -> Iterator[Page]:
    with Console(user) as console:
        found = re.fullmatch(r"http://127.0.0.1:(\d+)/#(\S+)", console.address())
        assert found
        page = Page(int(found[1]))
        assert page.begin(found[2]).status == 200
        with contextlib.closing(page.live()) as live:  # a page without it counts as closed
            next(live)
            yield page


def test_everything_holds_together(company: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    anna = Anna(company, monkeypatch)
    anna.waits_for_quorum()
    with console_of(anna.user) as page:
        all_put(anna, page)
        proven(anna, tmp_path / "put.tlog-proof")
        renewed(anna, page)
        one_is_killed(anna, page)
        rolled_back(anna, page)


def all_put(anna: Anna, page: Page) -> None:
    """Everybody puts in a way of their own, signed with a key of their own."""
    company = anna.company
    assert ok(anna.put("terminal")).json()["outcome"] == "UPLOADED"
    assert anna.put_by_program("program") == ANNA
    assert uploaded(anna.put_in_page(page, "page"))
    built = ok(company.build("build"))
    assert "nothing is held" not in built.err
    for path in ("terminal", "program", "page", "build"):
        assert company.upstream(path) == path


def proven(anna: Anna, file: Path) -> None:
    """What anna put is proven to somebody who reaches no server and knows published keys alone."""
    company = anna.company
    put = ok(anna.put("proven")).json()
    anna.waits_for_quorum()
    ok(anna.user.monoctl("get", "upload", put["request_id"], "--proof", str(file)))
    words = [f"--log-vkey={key}" for key in company.vkeys()]
    words += [f"--witness={witness.vkey}" for witness, _ in company.witnesses]
    words += ["--quorum=2", f"--store-identity=vault={company.cluster.identities['vault']}", "-o", "json"]
    said = ok(
        company.cluster.run("monoctl", "verify", "proof", str(file), *words, environment={"HOME": str(file.parent)})
    ).json()
    assert (said["uri"], said["outcome"], said["hash"]) == ("vault://app/proven", "UPLOADED", put["hash"])
    assert said["signer"] == ANNA
    assert said["witnessed_at"]


def renewed(anna: Anna, page: Page) -> None:
    """The log's keys are renewed: nobody puts until they have accepted that, each in a way of their own."""
    company, before = anna.company, anna.waits_for_quorum()
    company.cluster.must("m8", "log", "renew", "--dir", "m8", "--reason", "The machine of m8 was stolen.")
    company.share_log_key()
    vkeys = company.vkeys()
    wait_until(lambda: "renewed" in anna.user.monoctl("get", "log").err, what="m8 shows the renewed log")
    sealed = company.sealed()
    stopped = anna.put("renewed")
    assert (stopped.code, stopped.out) == (LOG_MISMATCH, "")
    assert "The machine of m8 was stolen." in stopped.err
    assert stops_in_page(anna, page, "renewed") == "LOG_MISMATCH"
    assert company.build("renewed").code == LOG_MISMATCH
    assert company.sealed() == sealed
    company.publish(vkeys)
    ok(anna.user.monoctl("accept-log", "--origin", vkeys[0].partition("+")[0]))
    ok(anna.put("renewed"))
    assert anna.put_by_program("renewed-program") == ANNA
    assert uploaded(anna.put_in_page(page, "renewed-page"))
    assert anna.waits_for_quorum()["origin"] != before["origin"]
    ok(company.build("renewed"))


def uploaded(answer: dict[str, Any]) -> bool:
    """Whether the page was told that its one put was done."""
    [row] = answer["results"]
    assert "done" in row, row
    return bool(row["done"]["outcome"] == "UPLOADED")


def stops_in_page(anna: Anna, page: Page, path: str) -> str:
    """Return why a put in the page is refused once the console has looked again, as it does every ten seconds."""
    wait_until(lambda: bool(page.call("whoami").document["away"]), what="the console has looked at the log")
    answer = anna.put_in_page(page, path)
    failure = answer["error"] if "error" in answer else answer["results"][0]["failed"]
    assert len(failure["notes"]) == 2
    return str(failure["code"])


def one_is_killed(anna: Anna, page: Page) -> None:
    """The first m8 dies: all go on with the other one, which signs in its place."""
    company = anna.company
    company.cluster.m8s[0].kill()
    ok(anna.put("survivor"))
    assert uploaded(anna.put_in_page(page, "survivor-page"))
    anna.waits_for_quorum()
    ok(company.build("survivor"))
    assert company.upstream("survivor") == "survivor"


def rolled_back(anna: Anna, page: Page) -> None:
    """The database is put back to a backup: who had pinned a later note is stopped, and both m8 say what is wrong."""
    company, postgres = anna.company, anna.company.postgres
    company.cluster.start_one(0)
    where = ("-h", str(postgres.folder), "-p", str(postgres.port), "-U", ADMIN)
    backup = str(postgres.folder / "backup")
    run("pg_dump", *where, "-Fc", "-f", backup, company.database)
    ok(anna.put("lost"))
    size = anna.waits_for_quorum()["size"]
    for folder in ("m8", "m8-2"):
        wait_until(functools.partial(has_followed, company, folder, size), what=f"{folder} has written that note down")
    for m8 in company.cluster.m8s:
        m8.stop()
    postgres.drop_database(company.database)
    postgres.create_database(company.database)
    run("pg_restore", *where, "-d", company.database, backup)
    for number in range(2):
        company.cluster.start_one(number)

    sealed = company.sealed()
    stopped = anna.put("rolled")
    assert (stopped.code, stopped.out) == (LOG_MISMATCH, ""), stopped.err
    with pytest.raises(LogMismatchError, match="does not show its log as far as it did before") as caught:
        anna.put_by_program("rolled")
    assert len(caught.value.notes) == 2
    assert stops_in_page(anna, page, "rolled") == "LOG_MISMATCH"
    assert company.sealed() == sealed
    for folder in ("m8", "m8-2"):
        says_why(company, folder)


def has_followed(company: Company, folder: str, size: int) -> bool:
    """Whether an m8 remembers, outside of the database, a checkpoint that large."""
    return int(company.status(folder)["log_checkpoint"]) >= size


def says_why(company: Company, folder: str) -> None:
    """`m8 log status`, metrics and health agree."""
    assert "m8 log renew" in company.status(folder)["trouble"]
    address = operations_of(company.folder / folder)
    assert samples(asked(address, "/metrics")[1])["m8_log_signing_stopped", frozenset()] == 1
    assert b"signing stopped: m8 log status" in asked(address, "/readyz")[1]
