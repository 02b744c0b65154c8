"""The commands of the pages about m8's certificate, disk, backup and machine, run as they stand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.operating import DESCRIBE, OPERATE, RUN, SERVE, Operator

CREATE = "m8 backup create backup.age --recipients-file backup-recipient"
VERIFY = "monoctl verify secret --all notes://team-a"


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    found = Operator.at(tmp_path_factory.mktemp("operator"))
    found.begin_to_work(notes="reactor")
    yield found
    found.stop()


def test_the_pages_about_certificates_and_disk_do_what_they_say(operator: Operator) -> None:
    operator.put("first")
    operator.follow(OPERATE / "certificates.md")
    # The server ran all the while, and the clients have the CA that the page left in ca.crt.
    assert "UPLOADED" in operator.put("second")
    operator.follow(OPERATE / "disk-and-log-growth.md")


def test_the_page_about_moving_does_what_it_says(operator: Operator) -> None:
    operator.stop(SERVE)
    operator.follow(OPERATE / "move-hosts.md", then={"m8 serve --dir moved": operator.attached})
    described = json.loads(operator.done(DESCRIBE))
    assert [reactor["attached"] for reactor in described["reactors"]].count(True) == 2
    operator.stop(RUN + "reactor-new")
    assert "UPLOADED" in operator.put("third")


def test_a_restored_m8_is_older_than_its_clients_know_and_they_notice(operator: Operator) -> None:
    def go_on() -> None:
        """What happens between the backup and the day on which it is needed."""
        operator.put("newer than the backup")
        operator.done(VERIFY)

    # The one that moved goes on in the old one's place: that one knows less than its clients do already.
    operator.stop(SERVE)
    old = Path(operator.environment["HOME"]) / ".local/state/monoskope/m8"
    shutil.rmtree(old)
    (operator.folder / "moved").rename(old)
    operator.serve()
    operator.attached()
    operator.put("older")
    operator.done(VERIFY)
    printed = operator.follow(
        OPERATE / "back-up-and-restore.md",
        codes={(VERIFY, 1): 12},
        then={CREATE: go_on, "m8 serve --dir restored": operator.attached},
    )
    assert "DRIFTED" in printed
    assert "shows an older receipt" in printed
    assert "more event" in printed
