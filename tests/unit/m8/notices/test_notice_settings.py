"""Recipients stand in `m8.toml` alone, and what stands there wrong is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monoskope.errors import UsageError
from monoskope.m8.notice_settings import EVERYTHING, MOST_RECIPIENTS, About, MailServer, Recipient
from monoskope.m8.settings import SETTINGS_FILE, load
from monoskope.settings import write_private

MAIL = {"name": '"ops"', "kind": '"email"', "server": '"mail.example.org:587"', "sender": '"m8@example.org"'}
CALL = {"name": '"hook"', "kind": '"webhook"', "url": '"https://hook.example.org/m8"', "secret_file": '"secret"'}


def loaded(folder: Path, *tables: dict[str, str]) -> Any:
    text = "\n".join(
        "\n".join(["[[notices]]", *(f"{name} = {value}" for name, value in table.items())]) for table in tables
    )
    write_private(folder / SETTINGS_FILE, text.encode(), replace=True)
    return load(folder).notices


def test_each_address_is_a_recipient_and_an_owner_gets_its_own_alone(tmp_path: Path) -> None:
    mail = {
        **MAIL,
        "to": '["ops@example.org"]',
        "owners": '["anna@example.org"]',
        "about": '["drift"]',
        "tls": '"implicit"',
        "username": '"m8"',
        "password_file": '"mail-password"',
    }
    first, second = loaded(tmp_path, mail, CALL)
    drift: frozenset[About] = frozenset({"drift"})
    assert first.recipients == (
        Recipient("ops", "ops@example.org", drift),
        Recipient("ops", "anna@example.org", drift, gets_all=False),
    )
    assert isinstance(first.target, MailServer)
    assert (first.target.is_implicit, first.target.password_file) == (True, tmp_path / "mail-password")
    assert second.recipients == (Recipient("hook", "", frozenset(EVERYTHING)),)


def test_a_member_is_a_recipient_under_the_id(tmp_path: Path) -> None:
    """How far it has come, and which label is meant, does not change with its address."""
    (mail,) = loaded(tmp_path, {**MAIL, "to": '["user:corp:anna"]', "owners": '["user:corp:ben@example.org"]'})
    assert [one.address for one in mail.recipients] == ["user:corp:anna", "user:corp:ben@example.org"]


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ([MAIL], "to of the table"),
        ([{**MAIL, "to": '["Ops <ops@example.org>"]'}], "no address"),
        ([{**MAIL, "to": '["ops@example.org\\nBcc: all@example.org"]'}], "no address"),
        ([{**MAIL, "to": '["ops@example.org, all@example.org"]'}], "no address"),
        ([{**MAIL, "to": '["ops"]'}], "no address"),
        ([{**MAIL, "to": '["group:corp:ops"]'}], "no address"),
        ([{**MAIL, "to": '["ops@example.org"]', "sender": '"user:corp:anna"'}], "sender of the table"),
        ([{**MAIL, "to": '["öps@example.org"]'}], "no address"),
        ([{**MAIL, "to": '["ops@example.org"]', "sender": '"m8@"'}], "sender of the table"),
        ([{**MAIL, "to": '["ops@example.org"]', "owners": '["OPS@example.org"]'}], "again"),
        ([{**MAIL, "to": '["ops@example.org"]', "server": '"mail.example.org"'}], "host:port"),
        ([{**MAIL, "to": '["ops@example.org"]', "username": '"m8"'}], "password_file go together"),
        ([{**MAIL, "to": '["ops@example.org"]', "key_file": '"tls.key"'}], "key_file go together"),
        ([{**MAIL, "to": '["ops@example.org"]', "about": "[]"}], "about of the table"),
        ([{**MAIL, "to": '["ops@example.org"]', "about": '["gossip"]'}], "gossip"),
        ([{**MAIL, "to": '["ops@example.org"]', "tls": '"none"'}], "none"),
        ([{**MAIL, "to": f"{[f'a{number}@example.org' for number in range(MOST_RECIPIENTS + 1)]}"}], "more than 20"),
        ([CALL, CALL], "name of the table"),
        ([{**CALL, "name": '"Hook"'}], "name of the table"),
        ([{**CALL, "url": '"http://hook.example.org"'}], "is not an address of HTTPS"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, tables: list[dict[str, str]], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        loaded(tmp_path, *tables)
