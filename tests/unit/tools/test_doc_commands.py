"""A command that a page tells its reader to type exists, with its options; others are named."""

from __future__ import annotations

import pytest

from tools import cli_reference, doc_commands

PROGRAMS = {name: cli_reference.load(target) for name, target in cli_reference.PROGRAMS.items()}


def faults(page: str) -> list[str]:
    return [complaint.why for complaint in doc_commands.complaints(doc_commands.in_page(page), PROGRAMS)]


@pytest.mark.parametrize(
    "line",
    [
        "monoctl put secret app/db --from-file 'password=a --b' # --none",
        "printf x | monoctl put secret app/db --from-file k=-",
        "MONOCTL_SERVER=a:1 .venv/bin/monoctl get secrets -o json && m8 serve --dir there",
        "monoctl put secret app/db \\\n  --overwrite",
        "m8 reactor init box --store box --type age --server a:1 --ca-file ca.crt",
        "m8 stores check box --verbose",
        "m8 events --dir there verify",
        "monoctl get … --never-looked-at",
        "bao kv put --anything",
    ],
)
def test_what_exists_is_fine(line: str) -> None:
    assert faults(f"```sh\n{line}\n```\n") == []
    assert faults(f"Say `{line}`.") == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("monoctl put secrets app/db", "'monoctl put' has no command 'secrets'"),
        ("monoctl put secret a/b --owerwrite", "'monoctl put secret' has no option '--owerwrite'"),
        ("cat f | monoctl putt secret", "'monoctl' has no command 'putt'"),
        ("m8 reactor init box --shop box", "'m8 reactor init' has no option '--shop'"),
        ("m8 stores check box --loud", "'m8 stores check' has no option '--loud'"),
    ],
)
def test_what_does_not_exist_is_named(line: str, why: str) -> None:
    assert faults(f"```sh\n$ {line}\n```\n") == [why]
    assert faults(f"Say `{line}`.") == [why]


def test_what_a_page_shows_as_output_is_no_command() -> None:
    assert faults("```text\nmonoctl never this\n```\n") == []
