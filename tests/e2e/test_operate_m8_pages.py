"""The commands of the pages about m8's certificate, disk, backup and machine, run as they stand."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.operating import Operator
from tests.e2e.typist import DESCRIBE, RUN, SERVE

CREATE = "m8 backup create backup.age --recipients-file backup-recipient"
VERIFY = "monoctl verify secret --all notes://team-a"


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    found = Operator.at(tmp_path_factory.mktemp("operator"))
    ca = "~/.local/state/monoskope/m8/ca.crt"
    found.done("m8 init")
    found.serve()
    rights = "--right put --right compare --right see-hash"
    for line in (
        "m8 token create --role administrator --subject root --out admin.token",
        f"m8 token create --role user --subject anna --prefix notes:// {rights} --out anna.token",
        "monoctl config set server localhost:7443",
        f"monoctl config set ca_file {ca}",
        'monoctl config set token_file "$PWD/anna.token"',
        f"m8 reactor init reactor --store notes --type age --server localhost:7443 --ca-file {ca} --prefix team-a",
        "m8 reactor fingerprint-key new reactor",
        (
            'monoctl create secret-store notes --type age --identity "$(m8 reactor identity reactor)" '
            "--token-file admin.token"
        ),
        "monoctl activate secret-store notes --token-file admin.token",
    ):
        found.done(line)
    found.identity = found.done("m8 reactor identity reactor").strip()
    found.run(RUN + "reactor")
    yield found
    found.stop()


def test_the_pages_about_certificates_and_disk_do_what_they_say(operator: Operator) -> None:
    operator.put("first")
    operator.follow("certificates.md")
    # The server ran all the while, and the clients have the CA that the page left in ca.crt.
    assert "UPLOADED" in operator.put("second")
    operator.follow("disk-and-log-growth.md")


def test_the_page_about_moving_does_what_it_says(operator: Operator) -> None:
    operator.stop(SERVE)
    operator.follow("move-hosts.md", then={"m8 serve --dir moved": operator.attached})
    described = json.loads(operator.done(DESCRIBE))
    assert [reactor["attached"] for reactor in described["reactors"]].count(True) == 2
    operator.stop(RUN + "reactor-new")
    assert "UPLOADED" in operator.put("third")


def test_a_restored_m8_is_older_than_its_clients_know_and_they_notice(operator: Operator) -> None:
    def go_on() -> None:
        """What happens between the backup and the day on which it is needed."""
        operator.put("newer than the backup")
        operator.done(VERIFY)

    operator.serve()
    operator.attached()
    operator.put("older")
    operator.done(VERIFY)
    printed = operator.follow(
        "back-up-and-restore.md",
        codes={(VERIFY, 1): 12},
        then={CREATE: go_on, "m8 serve --dir restored": operator.attached},
    )
    assert "DRIFTED" in printed
    assert "shows an older receipt" in printed
    assert "more event" in printed
