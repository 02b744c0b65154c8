"""Who may do what. What lies outside a caller's prefixes gets the same answer as what does not exist."""

from __future__ import annotations

import copy
from collections.abc import Collection
from enum import Enum, auto
from typing import TypeVar

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import NotFoundError, RefusedError
from monoskope.m8.domain.principal import RIGHT_NAMES, Principal
from monoskope.m8.domain.upload import unknown_request
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.request import Request
from monoskope.uri import SecretUri

SOON_S = 0.1
"""Seconds for which a right counts that a call has shown. What takes longer asks for it again before it is used."""

_OF_ENGINES = frozenset({upload_pb2.REASON_UPSTREAM_UNAVAILABLE, upload_pb2.REASON_UPSTREAM_REFUSED})


_V = TypeVar("_V", views_pb2.Secret, views_pb2.SecretVersion)


def hidden(uri: str) -> NotFoundError:
    """Return the one answer to a secret that is missing, in a missing store, or outside the caller's prefixes."""
    return NotFoundError(f"{uri} does not exist, or is not yours to see.", fix="Check the URI and your prefixes.")


class Needs(Enum):
    """What a caller needs for a method, asked before any of the request is read."""

    NOTHING = auto()
    """Strangers may call it, and a reactor's login proves by itself who it is."""
    TOKEN = auto()
    """A valid token. What it may see and do depends on the request."""
    RIGHT = auto()
    """A right below some prefix. Which one, and where, depends on the request."""
    SEES_ALL = auto()
    """The role of an administrator or an auditor."""
    ADMINISTRATOR = auto()
    """The role of an administrator."""


def require(principal: Principal, needs: Needs) -> None:
    """Raise `RefusedError` unless the caller has what a method `needs`. Who reads metrics calls no method."""
    if principal.reads_metrics and needs is not Needs.NOTHING:
        raise RefusedError(
            f"{principal.subject} has the role metrics, which reads /metrics and nothing else.",
            fix="Use another credential.",
        )
    if needs is Needs.ADMINISTRATOR and not principal.is_administrator:
        raise RefusedError(
            f"{principal.subject} is no administrator.",
            fix="Ask an administrator"
            + ("." if principal.member is not None else ", or use an administrator's token."),
        )
    if needs is Needs.SEES_ALL:
        require_sees_all(principal)
    if needs is Needs.RIGHT and not principal.pairs:
        raise RefusedError(
            f"{principal.subject} has no right to any secret.", fix="Ask an administrator for a role binding."
        )


def require_sees_all(principal: Principal) -> None:
    """Raise `RefusedError` for a caller who is neither administrator nor auditor."""
    if not principal.sees_all:
        raise RefusedError(
            f"{principal.subject} is neither administrator nor auditor.", fix="Ask one of them to look for you."
        )


def require_metrics(principal: Principal) -> None:
    """Raise `RefusedError` unless the caller has the role metrics and no other, whatever the other can do."""
    if not principal.reads_metrics:
        raise RefusedError(
            "metrics are for the role metrics alone, so that no token that can do more lies in a scraper.",
            fix="Make one on the server: m8 token create --role metrics --subject prometheus. Or ask the listener of"
            " operations, on the machine of m8.",
        )


def require_visible(principal: Principal, uri: SecretUri) -> None:
    """Raise `NotFoundError` unless `uri` exists for the caller."""
    if not principal.sees(uri):
        raise hidden(str(uri))


def require_purpose(principal: Principal, purpose: upload_pb2.Purpose, uri: SecretUri) -> None:
    """Raise `NotFoundError` unless `uri` exists for the caller, `RefusedError` without the right for `purpose`."""
    require_right(principal, PURPOSES[purpose].right, uri)
    if PURPOSES[purpose].reveals_hashes:
        _require(principal, events_pb2.RIGHT_SEE_HASH, uri)


def require_request(principal: Principal, request: Request) -> None:
    """Raise as `require_purpose` for what `request` asks; a COPY needs `put` at its destination, too."""
    require_purpose(principal, request.purpose, request.uri)
    if request.destination is not None:
        require_right(principal, events_pb2.RIGHT_PUT, request.destination)


def require_right(principal: Principal, right: events_pb2.Right, uri: SecretUri) -> None:
    """Raise `NotFoundError` unless `uri` exists for the caller, `RefusedError` without `right`."""
    require_visible(principal, uri)
    _require(principal, right, uri)


def _require(principal: Principal, right: events_pb2.Right, uri: SecretUri) -> None:
    if not principal.may(right, uri):
        name, kind = RIGHT_NAMES[right], "token" if principal.member is None else "role binding"
        raise RefusedError(
            f"{principal.subject} has no right to {name} {uri}.",
            fix=f"Ask an administrator for a {kind} with --right {name} and a prefix that covers it.",
        )


def may_everywhere(principal: Principal, right: events_pb2.Right, places: Collection[SecretUri]) -> bool:
    """Whether the caller has `right` at each of `places`."""
    return all(principal.may(right, place) for place in places)


def sees_change(principal: Principal, subject: str, places: Collection[SecretUri]) -> bool:
    """Whether a change that `subject` proposed exists for the caller: for its subject, and those who may approve it.

    Administrators and auditors see every change, as they see every event.
    """
    if principal.sees_all:
        return True
    is_own = subject == principal.subject and all(principal.covers(place) for place in places)
    return is_own or may_everywhere(principal, events_pb2.RIGHT_APPROVE, places)


def sees_store(principal: Principal, name: str) -> bool:
    """Whether a store exists for the caller: one of the prefixes lies in it."""
    return principal.sees_all or any(pair.prefix.store == name for pair in principal.pairs)


def store_for(principal: Principal, store: views_pb2.SecretStore) -> views_pb2.SecretStore:
    """Return `store` as the caller may see it: why a request of others failed is theirs, unless it is the engine's."""
    if principal.sees_all:
        return store
    shown = copy.deepcopy(store)
    for reactor in shown.reactors:
        if reactor.last_failure not in _OF_ENGINES:
            reactor.ClearField("last_failure")
            reactor.ClearField("last_failure_at_ms")
    return shown


def secret_for(principal: Principal, secret: views_pb2.Secret) -> views_pb2.Secret:
    """Return `secret` as the caller may see it: without see-hash no fingerprint and no receipt, which holds them."""
    shown = version_for(principal, secret)
    if shown is not secret:
        shown.ClearField("receipt")
        for value in shown.values:
            value.fingerprint = ""
    return shown


def version_for(principal: Principal, version: _V) -> _V:
    """Return `version` as the caller may see it: without see-hash no fingerprint."""
    if principal.may(events_pb2.RIGHT_SEE_HASH, SecretUri.parse(version.uri)):
        return version
    shown = copy.deepcopy(version)
    shown.fingerprint = ""
    return shown


def upload_for(principal: Principal, upload: views_pb2.SecretUpload) -> views_pb2.SecretUpload:
    """Return `upload` as the caller may see it.

    The user who asked always gets the receipt: it is the proof of success, and of a value that they know, or they had
    to have see-hash to ask. For other callers it needs see-hash, and list for names that were listed.
    """
    if _sees_receipt(principal, upload):
        return upload
    shown = copy.deepcopy(upload)
    shown.ClearField("receipt")
    return shown


def require_proof(principal: Principal, upload: views_pb2.SecretUpload) -> None:
    """Raise unless the caller may have the proof of a request: it holds the receipt, and so the hashes, whole.

    Raises:
        NotFoundError: the request does not exist for the caller: it is another user's.
        RefusedError: the caller is administrator or auditor, and would not see its receipt.
    """
    if upload.subject != principal.subject and not principal.sees_all:
        raise unknown_request()
    if not _sees_receipt(principal, upload):
        raise RefusedError(
            f"a proof of this request shows what {principal.subject} has no right to see, such as hashes.",
            fix=f"Ask {upload.subject} to make it: monoctl get upload {upload.request_id.hex()} --proof FILE.",
        )


def _sees_receipt(principal: Principal, upload: views_pb2.SecretUpload) -> bool:
    rules = PURPOSES.get(upload.purpose)
    right = events_pb2.RIGHT_SEE_HASH if rules is None else rules.shown_with
    return upload.subject == principal.subject or principal.may(right, SecretUri.parse(upload.uri))
