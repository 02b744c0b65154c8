"""The table `[signers]`: what is not written exactly is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import RefusedError, UsageError
from monoskope.ownership import check_settings
from monoskope.protocol.purposes import PURPOSES
from monoskope.reactor.signers import settings
from monoskope.reactor.signers.settings import PURPOSE_BY_WORD, SignersFile
from monoskope.settings import convert

ENTRY: dict[str, Any] = {"principal": "anna", "prefixes": ["team-a"], "purposes": ["upload"]}
TABLE: dict[str, Any] = {"file": "allowed_signers", "revoked": "revoked_keys", "may": [ENTRY]}


def test_each_purpose_has_a_word() -> None:
    assert set(PURPOSE_BY_WORD.values()) == set(PURPOSES)
    assert set(PURPOSE_BY_WORD) >= {"upload", "patch", "compare", "generate", "verify", "delete", "import"}
    assert PURPOSE_BY_WORD["rollback"] == upload_pb2.PURPOSE_ROLLBACK


def test_nothing_is_allowed_or_unsigned_unless_it_is_written() -> None:
    table = convert({"file": "a", "revoked": "b"}, SignersFile, where="here")
    assert (table.may, table.unsigned, table.max_certificate_hours) == ([], [], 16)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("file", ""),
        ("revoked", ""),
        ("unsigned", ["put"]),
        ("unsigned", ["VERIFY"]),
        ("unsigned", ["verify", "verify"]),
        ("max_certificate_hours", 0),
        ("max_certificate_hours", 169),
        ("signers", []),
    ],
)
def test_a_table_with_a_bad_field_is_refused(field: str, value: Any) -> None:
    with pytest.raises(UsageError, match=field):
        convert({**TABLE, field: value}, SignersFile, where="here")


@pytest.mark.parametrize("missing", ["file", "revoked"])
def test_both_lists_are_named(missing: str) -> None:
    with pytest.raises(UsageError, match=missing):
        convert({name: value for name, value in TABLE.items() if name != missing}, SignersFile, where="here")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"principal": "anna b"}, "principal"),
        ({"principal": "*"}, "principal"),
        ({"principal": ""}, "principal"),
        ({"prefixes": []}, "prefixes"),
        ({"prefixes": ["/team-a"]}, "prefixes"),
        ({"prefixes": ["vault://team-a"]}, "prefixes"),
        ({"purposes": []}, "purposes"),
        ({"purposes": ["*"]}, "purposes"),
        ({"purposes": ["copy"]}, "destinations"),
        ({"destinations": ["local://"]}, "destinations"),
        ({"purposes": ["copy"], "destinations": ["local"]}, "destinations"),
        ({"prefix": ["team-a"]}, "prefix"),
    ],
)
def test_an_entry_with_a_bad_field_is_refused(change: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        convert({**TABLE, "may": [{**ENTRY, **change}]}, SignersFile, where="here")


def test_the_table_of_the_comment_is_one(tmp_path: Path) -> None:
    text = (settings.__doc__ or "").partition("\n\n")[2]
    assert convert(tomllib.loads(text)["signers"], SignersFile, where=str(tmp_path)).may[0].destinations


@pytest.mark.parametrize("spoil", ["file", "folder", "missing"])
def test_settings_that_others_can_change_are_refused(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "folder" / "reactor.toml"
    path.parent.mkdir()
    path.write_text("")
    check_settings(path)
    if spoil == "missing":
        path.unlink()
    else:
        (path if spoil == "file" else path.parent).chmod(0o757)
    with pytest.raises(UsageError if spoil == "missing" else RefusedError, match=str(path)):
        check_settings(path)
