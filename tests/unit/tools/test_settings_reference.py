"""The page of settings has every field that a settings file may have, with a text and the default that counts."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest

from monoskope.client.settings import VARIABLES
from monoskope.m8.service.server_limits import ServerTimings
from monoskope.m8.settings import File
from monoskope.reactor.settings import CopyRule, PathPair, ReactorFile
from monoskope.stores import registry
from monoskope.stores.vault.config import AppRole
from tools import settings_reference


class Inner(msgspec.Struct, tag_field="method", tag="one"):
    """One way to log in."""

    name: str
    """A | B."""


class Outer(msgspec.Struct):
    """A file.

    Attributes:
        size: How large it is, over
            two lines.
        auth: How to log in.
    """

    auth: Inner
    size: int = 3


class Mute(msgspec.Struct):
    """A type of which one field has no text."""

    size: Annotated[int, "no text"] = 3


@pytest.fixture(scope="module")
def page() -> str:
    return settings_reference.render("note")


@pytest.mark.parametrize("kind", [File, ServerTimings, ReactorFile, CopyRule, PathPair, AppRole])
def test_every_field_is_there(page: str, kind: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(kind):
        assert f"\n| `{field.encode_name}` | " in page


@pytest.mark.parametrize("kind", [kind for kind in registry.kinds() if kind in settings_reference.ENGINE_PAGES])
def test_every_engine_is_there(page: str, kind: str) -> None:
    assert f'\n### type = "{kind}"\n' in page


def test_every_variable_is_there(page: str) -> None:
    assert all(f"\n| `{name}` | " in page for name in VARIABLES)


def test_a_default_is_written_as_toml_writes_it(page: str) -> None:
    assert '| `listen` | text | `"127.0.0.1:7443"` |' in page
    assert "| `allow_swap` | true or false | `false` |" in page
    assert "| `lookups` | list of number | `[0.0, 2.0, 8.0]` |" in page
    assert "| `server` | text or list of text | required |" in page


def test_texts_come_from_either_form_and_inner_tables_follow() -> None:
    lines = "\n".join(settings_reference.table(Outer, "file"))
    assert "| `size` | whole number | `3` | How large it is, over two lines. |" in lines
    assert '**`[file.auth] method = "one"`** One way to log in.' in lines
    assert "| `name` | text | required | A \\| B. |" in lines


def test_a_field_without_a_text_is_named() -> None:
    with pytest.raises(ValueError, match=r"Mute\.size"):
        list(settings_reference.table(Mute, ""))
