"""One kept secret: what m8 shows of it, and the fields by which rows are searched, filtered and sorted."""

from __future__ import annotations

import re

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.known.pins import Pins
from monoskope.client.walk.receipts import Checked
from monoskope.monoctl.output import views
from monoskope.monoctl.output.formats import Document

_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


OFF = frozenset({"DRIFTED", "GONE", "OVERWROTE"})
"""The statuses of secrets of which the engine does not hold what was put, or did not before the last put."""


class Row:
    """What m8 shows of one secret. It never changes; another answer of m8 makes another row.

    Attributes:
        view: The answer.
        text: All words of it that a search looks at, folded for comparison.
        values: Each key's fingerprint, as in the view.
        status: As `views.status`.
        version_order: What versions are sorted by: the number at its beginning, as most engines count, then the text.
    """

    __slots__ = (
        "_checked",
        "_document",
        "_pins",
        "deleted",
        "drifted",
        "expires_on",
        "labels",
        "status",
        "store",
        "subject",
        "text",
        "uploaded_at_ms",
        "uri",
        "values",
        "verified_at_ms",
        "version",
        "version_order",
        "view",
    )

    def __init__(self, view: views_pb2.Secret) -> None:
        self.view = view
        self.uri = view.uri
        self.store = view.uri.partition("://")[0]
        self.subject = view.subject
        self.labels = {label.name: label.value for label in view.labels}
        self.values = {value.key: value.fingerprint for value in view.values}
        self.expires_on = view.expires_on
        self.uploaded_at_ms = view.uploaded_at_ms
        self.verified_at_ms = view.verified_at_ms
        self.version = view.upstream_version
        number = _NUMBER.match(self.version)
        self.version_order = (int(number[0]) if number else -1, self.version)
        self.deleted = view.deleted
        self.drifted = view.drifted
        self.status = views.status(view)
        words = (self.uri, self.subject, *(f"{name}={text}" for name, text in self.labels.items()), *self.values)
        self.text = "\n".join(words).casefold()
        self._document: Document | None = None
        self._checked: Checked | None = None
        self._pins: Pins | None = None

    def __repr__(self) -> str:
        return f"<Row {self.uri}>"

    @property
    def document(self) -> Document:
        """The secret as `views.secret` shows it, made when the row is first shown. Do not change it."""
        if self._document is None:
            self._document = views.secret(self.view)
        return self._document

    def remember(self, checked: Checked, pins: Pins) -> None:
        """Keep a proof by these pins. Anything else is checked again at the next look, for it may have changed."""
        if checked.proven:
            self._checked, self._pins = checked, pins

    def checked(self, pins: Pins) -> Checked | None:
        """Return what was found by the same pins, None if nothing is kept."""
        return self._checked if self._pins == pins else None

    @property
    def is_off(self) -> bool:
        """Whether the engine does not hold what was put, or did not before the last put."""
        return not self.deleted and self.status in OFF
