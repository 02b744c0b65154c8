"""The pages of reference say what the code says, the same each time."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Annotated

import click
import msgspec
import pytest

from monoskope.client.known.table import KEYS, VARIABLES
from monoskope.errors import Code
from monoskope.m8.limits.settings import ServerTimings
from monoskope.m8.settings import File
from monoskope.reactor.copy_rules import CopyRule, PathPair
from monoskope.reactor.settings import ReactorFile
from monoskope.stores import registry
from monoskope.stores.vault.config import AppRole
from tools import api_reference, cli_reference, generate, http_reference, reference, settings_reference
from tools.reference import ROOT


def test_missing_and_changed_pages_differ(tmp_path: Path) -> None:
    (tmp_path / "same.md").write_text("same", encoding="utf-8")
    (tmp_path / "changed.md").write_text("old", encoding="utf-8")
    fresh = {"same.md": "same", "changed.md": "new", "missing.md": "new"}
    assert reference.differing(fresh, tmp_path) == ["changed.md", "missing.md"]


def test_the_check_names_the_page_and_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, "REFERENCE", tmp_path / "reference")
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    (tmp_path / "reference" / "api.md").write_text("edited by hand", encoding="utf-8")
    assert reference.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "docs/reference/api.md" in said
    assert "make reference" in said


SAMPLE = """// What there is to ask.
syntax = "proto3";
package monoskope.api.sample.v1;
import "buf/validate/validate.proto";
// Answers.
service SampleService {
  // Ask | again.
  rpc Ask(stream AskRequest) returns (AskResponse);
}
// A question.
message AskRequest {
  // Whom to ask.
  string name = 1 [(buf.validate.field).string = {min_len: 1, max_len: 5}];
  oneof how {
    // Loudly.
    repeated_ loud = 4;
  }
  // Kinds,
  // in order.
  repeated Kind kinds = 7 [(buf.validate.field).repeated.items.enum.defined_only = true];
}
// An answer.
message AskResponse {}
// Nothing.
message repeated_ {}
// A kind.
enum Kind {
  // None.
  KIND_UNSPECIFIED = 0;
}
"""


@pytest.fixture
def page(tmp_path: Path) -> str:
    folder = tmp_path / "proto"
    shutil.copytree(generate.PROTO / "buf", folder / "buf")
    sample = folder / "monoskope" / "api" / "sample" / "v1"
    sample.mkdir(parents=True)
    (sample / "sample.proto").write_text(SAMPLE, encoding="utf-8")
    return api_reference.render(folder, "")


@pytest.mark.parametrize(
    "line",
    [
        "Package `monoskope.api.sample.v1`. What there is to ask.",
        "| `Ask` | stream of [AskRequest](#askrequest) | [AskResponse](#askresponse) | Ask \\| again. |",
        "| 1 | `name` | string | `min_len: 1`, `max_len: 5` | Whom to ask. |",
        "| 4 | `loud` | [repeated_](#repeated_) | | One of `how`. Loudly. |",
        "| 7 | `kinds` | repeated [Kind](#kind) | `items.enum.defined_only: true` | Kinds, in order. |",
        "| 0 | `KIND_UNSPECIFIED` | None. |",
    ],
)
def test_a_declaration_is_a_row_with_its_rule_and_comment(page: str, line: str) -> None:
    assert line in page.splitlines()


def test_what_is_vendored_is_not_our_api(page: str) -> None:
    assert "validate.proto" not in page


def test_the_whole_api_is_there_and_every_name_leads_somewhere() -> None:
    page = api_reference.render(generate.PROTO, "")
    headings = re.findall(r"^### (?:service )?(\w+)$", page, re.MULTILINE)
    assert {"SecretCommandService", "UploadRequest", "Reason", "Event"} <= set(headings)
    assert len(headings) == len(set(headings)), "two declarations of one name would share an anchor"
    assert set(re.findall(r"\(#(\w+)\)", page)) <= {heading.lower() for heading in headings}
    assert page == api_reference.render(generate.PROTO, "")


class Lazy(click.Group):
    """A group that makes its commands when asked, as `monoctl` does."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return ["put", "hidden"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in {"put", "hidden"}:
            return None
        option = click.Option(["--timeout"], default=30, show_default=True, help="Seconds to wait.")
        return click.Command(cmd_name, help="Put a thing.", params=[option], hidden=cmd_name == "hidden")


def test_every_command_of_a_lazy_group_has_its_section() -> None:
    text = cli_reference.render_cli({"tool": Lazy(name="tool", help="Do things.")})
    assert "## tool\n" in text
    assert "### tool put\n" in text
    assert "Usage: tool put [OPTIONS]" in text
    assert "--timeout INTEGER  Seconds to wait.  [default: 30]" in text
    assert "tool hidden" not in text


def test_the_terminal_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    once = cli_reference.render_cli({"tool": Lazy(name="tool", help="word " * 60)})
    monkeypatch.setenv("COLUMNS", "200")
    assert once == cli_reference.render_cli({"tool": Lazy(name="tool", help="word " * 60)})
    assert max(map(len, once.splitlines())) <= cli_reference.WIDTH


def test_every_code_is_documented() -> None:
    text = cli_reference.render_errors()
    for code in Code:
        assert f"| `{code.value}` | " in text
    assert "| `OUTCOME_UNKNOWN` | `OutcomeUnknownError` | 9 | It may or may not have been written" in text
    assert "| `RATE_LIMITED` | `RateLimitedError` | 14 | Too much at once" in text
    assert "| `UNAVAILABLE` | `UnavailableError` | 7 |" in text


def laid_out(folder: Path, page: str) -> Path:
    for name, text in ((http_reference.PAGE, page), (http_reference.EXAMPLE, "print(1)\n")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_the_parts_are_filled_in_and_the_rest_stays(tmp_path: Path) -> None:
    page = "before\n<!-- errors -->\nold\n<!-- /errors -->\nbetween\n<!-- put.py -->\n<!-- /put.py -->\nafter\n"

    rendered = http_reference.render(laid_out(tmp_path, page))

    assert "old" not in rendered
    assert "```python\nprint(1)\n```" in rendered
    assert rendered.startswith("before\n")
    assert rendered.endswith("after\n")
    assert http_reference.render(laid_out(tmp_path, rendered)) == rendered


def test_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 places for errors"):
        http_reference.render(laid_out(tmp_path, "nothing\n"))


def test_the_page_shows_the_example_as_it_is() -> None:
    page = (ROOT / http_reference.PAGE).read_text(encoding="utf-8")
    assert (ROOT / http_reference.EXAMPLE).read_text(encoding="utf-8") in page


def test_every_code_of_ours_has_a_status() -> None:
    table = http_reference.table()
    for code in Code:
        assert f"| `{code.value}` |" in table
    assert "| 429 | `resource_exhausted` | `RATE_LIMITED` |" in table
    assert "| 499 | `canceled` | `NOT_TRIED` |" in table
    assert {400, 401, 403, 404, 409, 429, 499, 500, 503, 504} == http_reference.statuses().keys()


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
def settings_page() -> str:
    return settings_reference.render("note")


@pytest.mark.parametrize("kind", [File, ServerTimings, ReactorFile, CopyRule, PathPair, AppRole])
def test_every_field_is_there(settings_page: str, kind: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(kind):
        assert f"\n| `{field.encode_name}` | " in settings_page


@pytest.mark.parametrize("kind", [kind for kind in registry.kinds() if kind in settings_reference.ENGINE_PAGES])
def test_every_engine_is_there(settings_page: str, kind: str) -> None:
    assert f'\n### type = "{kind}"\n' in settings_page


def test_every_setting_of_monoctl_and_every_variable_is_there() -> None:
    page = settings_reference.render_client(ROOT)
    shown = {name for name in VARIABLES if f"\n| `{name}` | " in page}
    shown |= {f"MONOCTL_{key.name.upper()}" for key in KEYS if f"\n| `{key.name}` | " in page}
    assert shown == VARIABLES


def test_a_default_is_written_as_toml_writes_it(settings_page: str) -> None:
    assert '| `listen` | text | `"127.0.0.1:7443"` |' in settings_page
    assert "| `allow_swap` | true or false | `false` |" in settings_page
    assert "| `lookups` | list of number | `[0.0, 2.0, 8.0]` |" in settings_page
    assert "| `server` | text or list of text | required |" in settings_page


def test_texts_come_from_either_form_and_inner_tables_follow() -> None:
    lines = "\n".join(settings_reference.table(Outer, "file"))
    assert "| `size` | whole number | `3` | How large it is, over two lines. |" in lines
    assert '**`[file.auth] method = "one"`** One way to log in.' in lines
    assert "| `name` | text | required | A \\| B. |" in lines


def test_a_field_without_a_text_is_named() -> None:
    with pytest.raises(ValueError, match=r"Mute\.size"):
        list(settings_reference.table(Mute, ""))
