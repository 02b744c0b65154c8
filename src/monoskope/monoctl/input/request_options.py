"""The options that some commands share, and what they say: expectations, notes, engines and prefixes."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from monoskope.api.secrets.v1 import options_pb2
from monoskope.client.purposes import Expect
from monoskope.errors import UsageError
from monoskope.protocol.notes import check_day
from monoskope.protocol.options import Options
from monoskope.times import parse_days
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client import Client


Command = Callable[..., Any]
"""The function of a command, with or without its options."""


def adding(
    options: Sequence[Callable[[Command], Command]],
    name: str,
    made: Callable[..., object],
    *given: str,
) -> Callable[[Command], Command]:
    """Return a decorator that gives a command options, and in the place of what they say one argument.

    Args:
        options: The options.
        name: The argument's name.
        made: Makes it of what the options say.
        given: The names of what they say, in the order in which `made` takes it.
    """

    def decorated(command: Command) -> Command:
        @functools.wraps(command)
        def wrapped(*args: Any, **rest: Any) -> Any:  # noqa: ANN401 - click's own
            said = [rest.pop(one) for one in given]
            return command(*args, **{name: made(*said)}, **rest)

        result: Command = wrapped
        for option in reversed(options):
            result = option(result)
        return result

    return decorated


def expectation(expect: str | None, *, overwrite: bool, must_exist: bool = False) -> Expect | str:
    """Return what must be upstream.

    Args:
        expect: The value of `--expect`.
        overwrite: Whether `--overwrite` is given.
        must_exist: Whether something must be there, as for a change of it.

    Raises:
        UsageError: both options are given, or `absent` where something must be there.
    """
    if overwrite and expect is not None:
        raise UsageError("--overwrite and --expect exclude each other.", fix="Give one of them.")
    if expect == "absent" and must_exist:
        raise UsageError("--expect absent makes no sense here: something must be there.", fix="Name a version.")
    if overwrite:
        return Expect.OVERWRITE
    if expect is None:
        return Expect.ANY
    return Expect.ABSENT if expect == "absent" else expect


def expect_options(metavar: str, expect: str, overwrite: str) -> Callable[[Command], Command]:
    """Return what gives a command `--expect` and `--overwrite`; it receives `expect`.

    Args:
        metavar: What `--expect` takes; without "absent" something must be there.
        expect: The help of `--expect`.
        overwrite: The help of `--overwrite`.
    """

    def made(version: str | None, overwrites: bool) -> Expect | str:  # noqa: FBT001 - as click says it
        return expectation(version, overwrite=overwrites, must_exist="absent" not in metavar)

    options = (
        click.option("--expect", metavar=metavar, help=expect),
        click.option("--overwrite", is_flag=True, help=overwrite),
    )
    return adding(options, "expect", made, "expect", "overwrite")


def chosen(
    binary: str | None, aws_tags: tuple[str, ...], kubernetes_type: str, kubernetes_labels: tuple[str, ...]
) -> Options | None:
    """Return the options of the one type of store that is meant, None if none is given.

    Raises:
        UsageError: options of several types are given, or a tag or label is not NAME=VALUE.
    """
    given: list[Options] = []
    if binary:
        given.append(options_pb2.VaultOptions(binary=options_pb2.VAULT_BINARY_BASE64))
    if aws_tags:
        given.append(options_pb2.AwsOptions(tags=_sorted("--aws-tag", aws_tags)))
    if kubernetes_type or kubernetes_labels:
        labels = _sorted("--kubernetes-label", kubernetes_labels)
        given.append(options_pb2.KubernetesOptions(type=kubernetes_type, labels=labels))
    if len(given) > 1:
        raise UsageError(
            "--binary, --aws-… and --kubernetes-… are each for stores of one type.",
            fix="Put into stores of different types one after the other.",
        )
    return given[0] if given else None


engine_options = adding(
    (
        click.option(
            "--binary", type=click.Choice(["base64"]), help="Vault: store values that are not text as base64."
        ),
        click.option(
            "--aws-tag", multiple=True, metavar="NAME=VALUE", help="AWS: a tag, never secret; can be repeated."
        ),
        click.option("--kubernetes-type", default="", metavar="TYPE", help="Kubernetes: the type of a new Secret."),
        click.option(
            "--kubernetes-label",
            multiple=True,
            metavar="NAME=VALUE",
            help="Kubernetes: a label, never secret; can be repeated.",
        ),
    ),
    "options",
    chosen,
    "binary",
    "aws_tag",
    "kubernetes_type",
    "kubernetes_label",
)
"""Gives a command the options for single kinds of engines; it receives `options`, None if none is used."""


def _sorted(option: str, texts: tuple[str, ...]) -> list[options_pb2.Label]:
    found = parse_labels(texts, option)
    return [options_pb2.Label(name=name, value=found[name]) for name in sorted(found)]


class PutNotes(Value, frozen=True):
    """What a command line says about labels and day of expiry, as `Client.put_secret` takes them."""

    labels: dict[str, str] | None
    expires_on: str | None


def _put_notes(texts: tuple[str, ...], clear: bool, day: str | None, never: bool) -> PutNotes:  # noqa: FBT001 - as click says it
    if texts and clear:
        raise UsageError("--label and --clear-labels exclude each other.", fix="Give one of them.")
    if day is not None and never:
        raise UsageError("--expires and --no-expiry exclude each other.", fix="Give one of them.")
    return PutNotes(
        labels=parse_labels(texts) if texts or clear else None,
        expires_on=parse_day(day) if day is not None else "" if never else None,
    )


notes_options = adding(
    (
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
    ),
    "notes",
    _put_notes,
    "labels",
    "clear_labels",
    "expires",
    "no_expiry",
)
"""Gives a command the options for notes; it receives `notes`."""


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


def parse_labels(texts: tuple[str, ...], option: str = "--label") -> dict[str, str]:
    """Return `name=value` texts by name. Raises `UsageError` for a text that is none, or a name that comes twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise UsageError(f"{option} {text!r} is not NAME=VALUE.", fix=f"Write for example {option} owner=team-a.")
        if name in found:
            raise UsageError(f"{option} {name!r} is given twice.", fix="Give each name once.")
        found[name] = value
    return found


def parse_edits(texts: tuple[str, ...]) -> dict[str, str | None]:
    """Return `name=value` and `name-` texts by name; None removes a label.

    Raises:
        UsageError: a text is neither, or a name comes twice.
    """
    found: dict[str, str | None] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator and not text.endswith("-"):
            raise UsageError(
                f"{text!r} is neither NAME=VALUE nor NAME-.",
                fix="Write owner=team-a to set a label, owner- to remove it.",
            )
        if not separator:
            name = text[:-1]
        if name in found:
            raise UsageError(f"label {name!r} is given twice.", fix="Give each name once.")
        found[name] = value if separator else None
    return found


async def full_prefix(client: Client, text: str, *, store: str = "") -> str:
    """Return the URI prefix that `text` names: itself, or a path in `store`, else in the default store; "" for all.

    Raises as `Client.full_uri`.
    """
    if not text or "://" in text:
        return text
    path = text.removesuffix("/")
    return f"{store}://{path}" if store else await client.full_uri(path)


def one_prefix(word: str, option: str) -> str:
    """Return PREFIX, given as a word or by `--prefix`. Raises `UsageError` if it is given as both."""
    if word and option:
        raise UsageError("PREFIX and --prefix exclude each other.", fix="Give one of them.")
    return word or option
