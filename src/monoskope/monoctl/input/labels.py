"""Labels and days on the command line."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from monoskope.errors import UsageError
from monoskope.protocol.notes import check_day
from monoskope.times import parse_days
from monoskope.value import Value

R = TypeVar("R")

_OPTIONS = (
    click.option(
        "--label",
        "labels",
        multiple=True,
        metavar="NAME=VALUE",
        help="A note, never secret; repeatable. They replace the labels that it has; without any, those stay.",
    ),
    click.option("--clear-labels", is_flag=True, help="Remove all labels."),
    click.option(
        "--expires",
        metavar="DAY",
        help="The day it expires: YYYY-MM-DD, or 90d. A note; m8 does nothing on it. Without it, the day stays.",
    ),
    click.option("--no-expiry", is_flag=True, help="Remove the day of expiry."),
)


class PutNotes(Value, frozen=True):
    """What a command line says about labels and day of expiry, as `Client.put_secret` takes them."""

    labels: dict[str, str] | None
    expires_on: str | None


def notes_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options for notes; it receives `notes`."""

    @functools.wraps(command)
    def wrapped(*args: Any, **rest: Any) -> R:  # noqa: ANN401 - click's own
        texts, clear = rest.pop("labels"), rest.pop("clear_labels")
        day, never = rest.pop("expires"), rest.pop("no_expiry")
        if texts and clear:
            raise UsageError("--label and --clear-labels exclude each other.", fix="Give one of them.")
        if day is not None and never:
            raise UsageError("--expires and --no-expiry exclude each other.", fix="Give one of them.")
        notes = PutNotes(
            labels=parse_labels(texts) if texts or clear else None,
            expires_on=parse_day(day) if day is not None else "" if never else None,
        )
        return command(*args, notes=notes, **rest)

    result: Callable[..., R] = wrapped
    for option in reversed(_OPTIONS):
        result = option(result)
    return result


def parse_day(text: str, *, more: int = 0) -> str:
    """Return the day that `text` names, YYYY-MM-DD: itself, or so many days from today (UTC) for `30d`.

    Args:
        text: A day or a number of days.
        more: Days to add to it.

    Raises:
        UsageError: it is neither.
    """
    days = parse_days(text)
    try:
        if days is not None:
            start = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days)
        else:
            start = dt.date.fromisoformat(check_day(text))
        return (start + dt.timedelta(days=more)).isoformat()
    except OverflowError:
        raise UsageError(f"{text!r} is beyond the calendar.", fix="Name an earlier day.") from None
    except UsageError:
        raise UsageError(f"{text!r} is not a day.", fix="Write YYYY-MM-DD, or a number of days such as 90d.") from None


def parse_labels(texts: tuple[str, ...]) -> dict[str, str]:
    """Return `name=value` texts by name. Raises `UsageError` for a text without `=`, or a name that comes twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise UsageError(f"--label {text!r} is not NAME=VALUE.", fix="Write for example --label owner=team-a.")
        if name in found:
            raise UsageError(f"label {name!r} is given twice.", fix="Give each name once.")
        found[name] = value
    return found


def parse_edits(texts: tuple[str, ...]) -> dict[str, str | None]:
    """Return `name=value` and `name-` texts by name; None removes a label.

    Raises:
        UsageError: a text is neither, or a name comes twice.
    """
    removed = [text[:-1] for text in texts if "=" not in text and text.endswith("-")]
    for text in texts:
        if "=" not in text and not text.endswith("-"):
            raise UsageError(
                f"{text!r} is neither NAME=VALUE nor NAME-.",
                fix="Write owner=team-a to set a label, owner- to remove it.",
            )
    found: dict[str, str | None] = {**parse_labels(tuple(text for text in texts if "=" in text))}
    for name in removed:
        if name in found:
            raise UsageError(f"label {name!r} is given twice.", fix="Give each name once.")
        found[name] = None
    return found
