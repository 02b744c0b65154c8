"""What was done to one secret, as a document: one function for each result, for commands and the console alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from monoskope.monoctl.output.formats import Document

if TYPE_CHECKING:
    from monoskope.client import (
        Comparison,
        Copy,
        Deletion,
        Generated,
        Import,
        PutResult,
        Rollback,
        Undeletion,
        Verification,
    )


class _Signed(Protocol):
    @property
    def signer(self) -> str: ...
    @property
    def signer_key(self) -> str: ...


def signed(result: _Signed) -> Document:
    """Who signed the request, and with which key; nothing where the store takes unsigned ones."""
    return {"signer": result.signer, "signer_key": result.signer_key} if result.signer else {}


def put(result: PutResult) -> Document:
    """A put or a patch."""
    return {
        "uri": result.uri,
        "outcome": result.outcome,
        "hash": result.hash,
        "values": result.values,
        "upstream_version": result.upstream_version,
        "request_id": result.request_id,
    } | signed(result)


def comparison(result: Comparison) -> Document:
    """A comparison: whether the values are equal, and the keys that differ."""
    return {
        "uri": result.uri,
        "equal": result.equal,
        "differences": result.differences,
        "upstream_version": result.upstream_version,
        "request_id": result.request_id,
    } | signed(result)


def generated(result: Generated) -> Document:
    """What a reactor made, with the public halves of key pairs."""
    return {
        "uri": result.uri,
        "outcome": "UPLOADED",
        "hash": result.hash,
        "values": result.values,
        "public_values": result.public_values,
        "upstream_version": result.upstream_version,
        "request_id": result.request_id,
    } | signed(result)


def copied(result: Copy) -> Document:
    """A copy into another store."""
    return {
        "uri": result.uri,
        "destination": result.destination,
        "outcome": result.outcome,
        "hash": result.hash,
        "upstream_version": result.upstream_version,
        "destination_version": result.destination_version,
        "request_id": result.request_id,
    } | signed(result)


def imported(result: Import) -> Document:
    """What was adopted."""
    return {
        "uri": result.uri,
        "outcome": "IMPORTED",
        "hash": result.hash,
        "values": result.values,
        "upstream_version": result.upstream_version,
        "request_id": result.request_id,
    } | signed(result)


def verified(result: Verification) -> Document:
    """Whether the store still holds what was put."""
    return {
        "uri": result.uri,
        "outcome": result.outcome,
        "upstream_version": result.upstream_version,
        "newest": result.newest,
        "request_id": result.request_id,
    } | signed(result)


def deleted(result: Deletion) -> Document:
    """A deletion."""
    return {
        "uri": result.uri,
        "outcome": "DELETED",
        "deleted_version": result.deleted_version,
        "destroyed": result.destroyed,
        "request_id": result.request_id,
    } | signed(result)


def undeleted(result: Undeletion) -> Document:
    """What was brought back after a deletion."""
    return {
        "uri": result.uri,
        "outcome": "UNDELETED",
        "hash": result.hash,
        "values": result.values,
        "upstream_version": result.upstream_version,
        "restored_version": result.restored_version,
        "request_id": result.request_id,
    } | signed(result)


def rolled_back(result: Rollback) -> Document:
    """What was brought back of an earlier version."""
    return {
        "uri": result.uri,
        "outcome": "ROLLED_BACK",
        "hash": result.hash,
        "values": result.values,
        "upstream_version": result.upstream_version,
        "prior_version": result.prior_version,
        "restored_version": result.restored_version,
        "request_id": result.request_id,
    } | signed(result)
