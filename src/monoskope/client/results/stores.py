"""What m8 says of itself and of the caller, and of stores and their reactors."""

from __future__ import annotations

import datetime as dt
from typing import Self

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.client.results import moment
from monoskope.client.results.access import enum_word, rights_of
from monoskope.client.walk import reasons
from monoskope.client.walk.target import (
    announced_layout,
    announced_limit,
    announced_maturity,
    engine_health,
    health_name,
)
from monoskope.protocol.outcomes import spelled
from monoskope.value import Value


class Server(Value, frozen=True):
    """m8, and who the caller is to it."""

    version: str
    fingerprint_key_id: str
    """"" before the first reactor."""
    subject: str
    role: str
    """"user", "administrator" or "auditor"; of several the first of these. `Access.who_am_i` has all."""
    prefixes: tuple[str, ...]
    """Below which URIs the caller may work."""
    rights: tuple[str, ...]
    """E.g. ("put", "see-hash")."""
    expires_at: dt.datetime | None
    """When the credential expires."""
    certificate_expires_at: dt.datetime | None
    """When m8's own certificate expires; None if it does not tell the caller."""

    @classmethod
    def of(cls, answer: queries_pb2.GetServerResponse) -> Self:
        """Return what an answer says."""
        return cls(
            version=answer.version,
            fingerprint_key_id=answer.fingerprint_key_id,
            subject=answer.subject,
            role=enum_word(events_pb2.Role, answer.role),
            prefixes=tuple(answer.prefixes),
            rights=rights_of(answer.rights),
            expires_at=moment(answer.expires_at_ms),
            certificate_expires_at=moment(answer.certificate_expires_at_ms),
        )


class Reactor(Value, frozen=True):
    """One reactor process of a store."""

    replica: str
    """Its name, 32 hex digits."""
    attached: bool
    last_heard_at: dt.datetime | None
    engine: str
    """"ok", "refused", "unavailable" or "unknown", as it reports of its engine."""
    engine_since_at: dt.datetime | None
    last_failure: str
    """The reason with which its last failed request ended, "" for none."""
    last_failure_at: dt.datetime | None
    capabilities: frozenset[str]
    """What it can do, by the names of the API's `StoreCapabilities`, e.g. {"readable", "deletable"}."""
    copies_to: tuple[str, ...]
    """Stores that it may copy to."""
    max_plaintext: int
    """The largest padded plaintext in bytes."""
    key_rule: str
    """Pattern that keys must match, "" for any."""
    layout: str
    """How a secret lies in its engine."""
    fingerprint_key_id: str
    signers_trouble: bool
    """Whether one of its lists of signers cannot be used as it is now."""

    @classmethod
    def of(cls, view: views_pb2.Reactor) -> Self:
        """Return what a view says."""
        can = view.capabilities
        return cls(
            replica=view.replica.hex(),
            attached=view.attached,
            last_heard_at=moment(view.last_heard_ms),
            engine=health_name(view.engine),
            engine_since_at=moment(view.engine_since_ms),
            last_failure=reasons.name(view.last_failure) if view.last_failure else "",
            last_failure_at=moment(view.last_failure_at_ms),
            capabilities=frozenset(field.name for field, value in can.ListFields() if value is True),
            copies_to=tuple(can.copies_to),
            max_plaintext=can.max_plaintext,
            key_rule=can.key_rule,
            layout=can.layout,
            fingerprint_key_id=view.fingerprint_key_id,
            signers_trouble=view.signers_trouble,
        )


class RefusedLogin(Value, frozen=True):
    """The login of a reactor that m8 refused last, if none has succeeded since."""

    replica: str
    refusal: str
    """"FINGERPRINT_KEY", "STORE_TYPE" or "TOO_MANY_REACTORS"."""
    refused_at: dt.datetime | None
    fingerprint_key_id: str

    @classmethod
    def of(cls, view: views_pb2.RefusedLogin) -> Self:
        """Return what a view says."""
        refusal = spelled(views_pb2.LoginRefusal, view.refusal)
        return cls(view.replica.hex(), refusal, moment(view.refused_at_ms), view.fingerprint_key_id)


class Store(Value, frozen=True):
    """One store with its reactors."""

    name: str
    type: str
    """The kind of engine."""
    active: bool
    """Whether it takes requests."""
    is_default: bool
    identity: str
    """`SHA256:…`, as m8 shows it; the pin decides which counts."""
    identity_rotations: int
    """How often the store took a new identity that the one before signed."""
    fingerprint_key_id: str
    created_at: dt.datetime | None
    last_heard_at: dt.datetime | None
    """When m8 heard of any of its reactors last."""
    layout: str
    """How a secret lies in its engine, as a reactor announced; "" for nothing."""
    maturity: str
    """"stable" or "experimental"; "" if no reactor ever attached."""
    max_plaintext: int
    """The largest padded plaintext in bytes that an attached reactor takes, 0 if none is attached."""
    engine: str
    """The state of its engine, by the reactor that finds it best; "" if none is attached."""
    pending: int
    """How many requests that you may see have not ended."""
    refused_login: RefusedLogin | None
    reactors: tuple[Reactor, ...]

    @classmethod
    def of(cls, view: views_pb2.SecretStore) -> Self:
        """Return what a view says."""
        return cls(
            name=view.name,
            type=view.type,
            active=view.active,
            is_default=view.is_default,
            identity=view.identity,
            identity_rotations=len(view.rotations),
            fingerprint_key_id=view.fingerprint_key_id,
            created_at=moment(view.created_at_ms),
            last_heard_at=moment(max((reactor.last_heard_ms for reactor in view.reactors), default=0)),
            layout=announced_layout(view),
            maturity=announced_maturity(view),
            max_plaintext=announced_limit(view) or 0,
            engine=engine_health(view),
            pending=view.pending,
            refused_login=RefusedLogin.of(view.refused_login) if view.HasField("refused_login") else None,
            reactors=tuple(map(Reactor.of, view.reactors)),
        )
