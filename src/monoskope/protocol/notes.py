"""What users say about a secret besides its values: labels, a day of expiry, options for the store. None is secret.

Each is said in one form only: no two readers can take it differently. Clients and reactors ask one table which kinds
of stores a provider's options are for.

Notes are labels and the day. Those of a put are in its request. An edit (`NotesEdit`) has no request: no store is
asked, and it is m8's word.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, options_pb2
from monoskope.errors import UsageError
from monoskope.lazy import pattern
from monoskope.value import Value

BEGAN, DUE = "began", "due"
"""Labels of what a round of a rotation made: the instant at which it began, and the day until which the next one is
due."""
NEXT = ".next"
"""What the URI of that has behind the rotated secret's (docs/rotation.md)."""


def sorted_once(labels: Sequence[options_pb2.Label]) -> bool:
    """Whether labels are in the order of their names, each name once."""
    names = [label.name for label in labels]
    return sorted(set(names)) == names


def strict_json(text: str) -> object:
    """Return what `text` holds.

    Raises:
        ValueError: it is not JSON, has what JSON does not have, such as NaN, or names a member of an object twice.
        RecursionError: it is nested too deeply.
    """
    import json  # noqa: PLC0415 - few requests hold any

    parsed: object = json.loads(text, object_pairs_hook=_members, parse_constant=_refuse)
    return parsed


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_KINDS: dict[type, frozenset[str]] = {
    options_pb2.VaultOptions: frozenset({"vault"}),
    options_pb2.AwsOptions: frozenset({"aws-secretsmanager", "aws-ssm"}),
    options_pb2.KubernetesOptions: frozenset({"kubernetes"}),
}
"""The kinds of stores that each typed message is for, by their whole names. A third party's driver takes JSON."""


def are_for(options: Message | str, kind: str) -> bool:
    """Return whether `options` may go to a store of that kind: a JSON text to any, a typed message to its own alone."""
    return isinstance(options, str) or kind in _KINDS[type(options)]


MAX_LABELS = 16
MAX_VALUE_LENGTH = 128

Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted by name, each name once."""

_NAME = pattern(r"[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?", re.ASCII)
_DAY = pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def is_noted(text: str, most: int) -> bool:
    """Whether `text` may be the value of a label, or a name: at most so many characters, all of them printable."""
    return len(text) <= most and text.isprintable()


def check_labels(labels: Iterable[tuple[str, str]]) -> Labels:
    """Return `labels` sorted by name.

    Raises:
        UsageError: more than 16, a name twice, a name outside `[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?`, or a value of
            more than 128 or of unprintable characters.
    """
    found = tuple(sorted(labels))
    names = [name for name, _ in found]
    if len(found) > MAX_LABELS:
        raise UsageError(f"a secret has at most {MAX_LABELS} labels.", fix="Leave some out.")
    if len(set(names)) != len(names):
        raise UsageError("a label is given twice.", fix="Give each name once.")
    for name, value in found:
        if _NAME.fullmatch(name) is None:
            raise UsageError(
                f"label name {name!r} is not valid: 1 to 63 of a-z, 0-9, '.', '_', '/' and '-', a letter or digit at"
                " both ends.",
                fix="Rename it.",
            )
        if not is_noted(value, MAX_VALUE_LENGTH):
            raise UsageError(
                f"the value of label {name!r} is not valid: at most {MAX_VALUE_LENGTH} printable characters.",
                fix="Shorten it. A label is never secret.",
            )
    return found


def is_day(text: str) -> bool:
    """Whether `text` is a day of the calendar, YYYY-MM-DD."""
    if _DAY.fullmatch(text) is None:
        return False
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def check_day(text: str) -> str:
    """Return `text` if it is a day, YYYY-MM-DD, else raise `UsageError`."""
    if not is_day(text):
        raise UsageError(f"{text!r} is not a day: YYYY-MM-DD.", fix="Write for example 2027-01-31.")
    return text


class Edit(Value, frozen=True):
    """A well-formed change of notes. It changes something."""

    set_labels: Labels = ()
    remove_labels: tuple[str, ...] = ()
    expires_on: str = ""
    """The new day of expiry, "" to leave it as it is."""
    remove_expires_on: bool = False

    def applied(self, labels: Labels, expires_on: str) -> tuple[Labels, str]:
        """Return labels and day of expiry after this edit. Raises `UsageError` if there would be too many labels."""
        after = {name: value for name, value in labels if name not in self.remove_labels} | dict(self.set_labels)
        return check_labels(after.items()), "" if self.remove_expires_on else self.expires_on or expires_on

    def __str__(self) -> str:
        words = [f"{name}={value}" for name, value in self.set_labels] + [f"{name}-" for name in self.remove_labels]
        said = [f"labels {' '.join(words)}"] if words else []
        said += [f"expires {self.expires_on}"] if self.expires_on else []
        said += ["never expires"] if self.remove_expires_on else []
        return ", ".join(said)


def check_edit(
    set_labels: Iterable[tuple[str, str]] = (),
    remove_labels: Iterable[str] = (),
    expires_on: str = "",
    *,
    remove_expires_on: bool = False,
) -> Edit:
    """Return an edit. Raises `UsageError` if it changes nothing, says two things at once, or a part is malformed."""
    labels, removed = check_labels(set_labels), sorted(remove_labels)
    names = [name for name, _ in check_labels((name, "") for name in removed)]
    both = {name for name, _ in labels} & set(names)
    if both:
        raise UsageError(f"label {min(both)!r} is set and removed.", fix="Give each name once.")
    if expires_on and remove_expires_on:
        raise UsageError("a day of expiry is set and removed.", fix="Give one of them.")
    if not (labels or names or expires_on or remove_expires_on):
        raise UsageError("no note is changed.", fix="Name a label, or a day of expiry.")
    return Edit(labels, tuple(names), check_day(expires_on) if expires_on else "", remove_expires_on)


def edit_message(edit: Edit) -> events_pb2.NotesEdit:
    """Return `edit` as it is sent and recorded."""
    return events_pb2.NotesEdit(
        set_labels=[options_pb2.Label(name=name, value=value) for name, value in edit.set_labels],
        remove_labels=edit.remove_labels,
        expires_on=edit.expires_on,
        remove_expires_on=edit.remove_expires_on,
    )


def edit_of(message: events_pb2.NotesEdit) -> Edit:
    """Return the edit in `message`. Raises `UsageError` if it is none."""
    return check_edit(
        labels_of(message.set_labels),
        message.remove_labels,
        message.expires_on,
        remove_expires_on=message.remove_expires_on,
    )


def labels_of(labels: Iterable[options_pb2.Label]) -> Labels:
    """Return labels of a message in their order."""
    return tuple((label.name, label.value) for label in labels)


def has_labels(secret: views_pb2.Secret, labels: Labels) -> bool:
    """Whether `secret` has all of `labels`."""
    return set(labels) <= set(labels_of(secret.labels))
