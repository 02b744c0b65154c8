"""The SDK names parameters, `monoctl` shows flags."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope import client
from monoskope.errors import RefusedError, UsageError
from monoskope.monoctl.output.flags import FLAGS, with_flags
from monoskope.monoctl.output.report import report

SDK = Path(client.__file__).parent
_PARAMETER = re.compile(r"`[a-z_]+=[^`]*`")


def _texts() -> Iterator[str]:
    """Every text of the SDK that is no docstring, with `{}` for what is filled in."""
    for path in SDK.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            match node:
                case ast.JoinedStr(values=values):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values)
                case ast.Constant(value=str(text)) if id(node) not in notes:
                    yield text


def test_the_sdk_names_no_flag() -> None:
    assert not [text for text in _texts() if re.search(r"(?<!-)--[a-z{]", text)]


def test_every_parameter_that_the_sdk_names_has_a_flag() -> None:
    named = {found for text in _texts() for found in _PARAMETER.findall(text) if not found.startswith("`{}")}
    assert len(named) > 5
    assert not [found for found in named if with_flags(found) == found]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("raise `timeout=`.", "raise --timeout."),
        ("agree with `default_store=vault`.", "agree with --default-store vault."),
        ("put again with `expect=Expect.OVERWRITE`.", "put again with --overwrite."),
        ("then `binary=base64`.", "then --binary base64."),
        ("with `store_identities=`, or", "with --store-identity STORE=SHA256:…, or"),
        ("unknown field `timeout`.", "unknown field `timeout`."),
        ("`another=`", "`another=`"),
        ("see what `list_secret_versions()` shows.", "see what `monoctl get secret --versions` shows."),
    ],
)
def test_parameters_are_shown_as_flags_and_methods_as_commands(text: str, shown: str) -> None:
    assert with_flags(text) == shown


@pytest.mark.parametrize("name", sorted(FLAGS))
def test_an_error_is_reported_with_flags(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        report(UsageError(f"what `{name}=` names is wrong.", fix=f"Change `{name}=`."), as_json=as_json)
        said = capsys.readouterr().err
        assert said.count(FLAGS[name]) == 2
        assert "=`" not in said


def test_m8s_own_words_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    error = RefusedError("m8 says: `expect=` is wrong.", fix="m8 suggests: `server=`.")
    error.by_m8 = True
    report(error, as_json=False)
    assert "`expect=`" in capsys.readouterr().err
