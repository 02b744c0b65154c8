"""The reference is written from the commands and codes themselves, the same way each time."""

from __future__ import annotations

import click
import pytest

from monoskope.errors import Code
from tools import cli_reference


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
