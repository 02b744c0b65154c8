"""The options by which a command proposes what it does, so that others approve it, or does it without them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from monoskope.errors import UsageError
from monoskope.monoctl.input.request_options import adding
from monoskope.times import parse_length
from monoskope.value import Value


class How(Value, frozen=True):
    """Whether a command does its work at once, proposes it, or breaks the glass."""

    propose: bool = False
    wait_s: float | None = None
    reason: str = ""
    requester: str = ""
    valid_for_s: float | None = None
    """None for as long as it waits, but no shorter than always."""
    break_glass: str = ""

    @property
    def at_once(self) -> bool:
        """Whether it is done as always."""
        return not (self.propose or self.break_glass)


def _how(  # noqa: PLR0917 - as click says it
    propose: bool,  # noqa: FBT001 - as click says it
    wait: str | None,
    reason: str,
    requester: str,
    valid_for: str | None,
    break_glass: str | None,
) -> How:
    if break_glass is not None and propose:
        raise UsageError("--propose and --break-glass exclude each other.", fix="Give one of them.")
    if break_glass == "":
        raise UsageError("--break-glass says why.", fix="Write for example --break-glass 'the site is down'.")
    if not propose and (wait or reason or requester or valid_for):
        raise UsageError(
            "--wait, --reason, --requester and --for are for --propose.", fix="Add --propose, or leave them out."
        )
    wait_s = None if wait is None else float(parse_length(wait))
    valid_for_s = float(parse_length(valid_for)) if valid_for else None
    return How(propose, wait_s, reason, requester, valid_for_s, break_glass or "")


approval_options = adding(
    (
        click.option(
            "--propose",
            is_flag=True,
            help="Write nothing yet: propose it, so that others can approve it.",
        ),
        click.option(
            "--wait",
            metavar="2h",
            help="With --propose: stay until enough have approved, and go on. The value stays in memory alone.",
        ),
        click.option("--reason", default="", metavar="TEXT", help="With --propose: why, for those who approve."),
        click.option(
            "--requester",
            default="",
            metavar="NAME",
            help="With --propose: how the store's list calls you, if no certificate, setting or receipt says it"
            " [MONOCTL_REQUESTER].",
        ),
        click.option(
            "--for",
            "valid_for",
            metavar="12h",
            help="With --propose: how long it can be approved and executed, 12h by default.",
        ),
        click.option(
            "--break-glass",
            metavar="REASON",
            help="In an emergency: do it without approvals, if the store lets you. REASON stays in the receipt.",
        ),
    ),
    "how",
    _how,
    "propose",
    "wait",
    "reason",
    "requester",
    "valid_for",
    "break_glass",
)
"""Gives a command the options for approvals; it receives `how`."""


def one_uri(uris: tuple[str, ...] | list[str]) -> str:
    """Return the one secret of a command that proposes or breaks the glass. Raises `UsageError` for several."""
    if len(uris) > 1:
        raise UsageError(
            "a change is about one secret, and so is a broken glass.", fix="Do it for each of them by itself."
        )
    return uris[0]


def never_approved(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that no store signs the options for approvals, refused with the reason."""

    def refuse(_ctx: click.Context, _parameter: click.Parameter, given: object) -> None:
        if given:
            raise UsageError(
                "labels and the day of expiry are an edit that no store signs, so nobody can approve it.",
                fix="Do it without, or put the secret with them: `monoctl put secret … --propose`.",
            )

    refused = functools.partial(click.option, hidden=True, expose_value=False, callback=refuse)
    command = refused("--propose", is_flag=True)(command)
    for name in ("--wait", "--reason", "--requester", "--for", "--break-glass"):
        command = refused(name)(command)
    return command
