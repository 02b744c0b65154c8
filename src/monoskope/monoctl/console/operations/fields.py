"""The kinds of fields that requests of the page have, with their bounds, and how a text becomes what it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from monoskope.client.walk.given import Expect
from monoskope.errors import UsageError
from monoskope.monoctl.console.operations.operation import Request
from monoskope.monoctl.input.request_options import chosen, expectation, parse_day
from monoskope.protocol.request import Options

Text = Annotated[str, Meta(max_length=2_048)]
"""A URI, a prefix, a version, a subject, a label or words to search for."""
Texts = Annotated[tuple[Text, ...], Meta(min_length=1, max_length=1_000)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Words = Annotated[dict[Text, Text], Meta(max_length=64)]

TIMEOUT_S = 120.0
"""For each secret, from its turn on, as for commands."""


class Nothing(Request, frozen=True):
    """Nothing is asked but the operation itself."""


class OfUri(Request, frozen=True):
    """About one secret."""

    uri: Text


class Notes(Request, frozen=True, kw_only=True):
    """What a request says about labels and day of expiry: null keeps them, {} and "" clear them."""

    labels: Words | None = None
    expires_on: Text | None = None

    @property
    def day(self) -> str | None:
        """The day of expiry, as the client takes it. Raises `UsageError` if it is not one."""
        return parse_day(self.expires_on) if self.expires_on else self.expires_on


def expected(text: str, *, must_exist: bool = False) -> Expect | str:
    """Return what must be upstream: "any", "absent", "overwrite", or a version.

    Raises:
        UsageError: "absent" where something must be there.
    """
    if text == "absent" and must_exist:
        raise UsageError("`expect` is absent, but something must be there.", fix="Choose any, or a version.")
    named = None if text in {"", "any", "overwrite"} else text
    return expectation(named, overwrite=text == "overwrite", must_exist=must_exist)


_OPTIONS = ("binary", "aws-tag", "kubernetes-type", "kubernetes-label")


def engine_options(given: Mapping[str, str]) -> Options | None:
    """Return the options for stores of one type, None if none is given.

    They are named as the flags of `monoctl put secret`; several tags or labels stand in one text, with commas or lines
    between them.

    Raises:
        UsageError: a name is none of these, or `chosen` refuses them.
    """
    unknown = set(given) - set(_OPTIONS)
    if unknown:
        raise UsageError("`options` has a name that is none.", fix=f"Use {', '.join(_OPTIONS)}.")
    binary = given.get("binary", "")
    if binary not in {"", "base64"}:
        raise UsageError("the option `binary` is not base64.", fix="Write base64, or leave it out.")
    kind, labels = given.get("kubernetes-type", ""), _several(given, "kubernetes-label")
    return chosen(binary or None, _several(given, "aws-tag"), kind, labels)


def _several(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    parts = given.get(name, "").replace("\n", ",").split(",")
    return tuple(part.strip() for part in parts if part.strip())
