"""What `verify secret --all` says about m8's list, since only m8 knows which secrets there are."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, Verification
from monoskope.client.known.seen import MOST, NAME, Difference, SeenSecrets, Shown
from monoskope.client.known.stores import NO_FILE
from monoskope.errors import Error
from monoskope.monoctl.output import terminal
from monoskope.protocol.receipt import Receipt
from monoskope.text import counted
from monoskope.uri import UriPrefix
from monoskope.value import Value

ASKED = "asked about {count}, all that m8 lists."
GONE = (
    "{uri}: m8 listed it before, does not list it now, and proves no deletion"
    " (if you expected this, remove its line from {file})."
)
NOT_NEWEST = (
    "{uri}: m8 listed it before, does not list it now, and the deletion that it shows is not of the version that it"
    " listed last (if you expected this, remove its line from {file})."
)
OLDER = "{uri}: m8 shows an older receipt as the newest than it showed before."
UNPROVEN = "{uri}: m8 showed a proven receipt before, and shows none now."
NOT_COMPARED = "what m8 lists was not compared with what it listed before: {why}"
NOT_REMEMBERED = "{count} of them are not remembered for the next time: {most:,} secrets are, in {file}."
UNLINKED = (
    "{uri}: m8 shows a receipt that does not follow from the one that it showed before, and the store did not confirm"
    " it. It is remembered once the secret is found in sync."
)
SENTENCES = (ASKED, GONE, NOT_NEWEST, OLDER, UNPROVEN, UNLINKED, NOT_COMPARED, NOT_REMEMBERED)
_SHOWN = 20
"""How many warnings of one kind are printed; the rest is counted."""


class Listed(Value, frozen=True):
    """The secrets that m8 lists, with warnings and notes about the list, and what the store found of each."""

    uris: list[str]
    results: list[Verification | Error]
    warnings: list[str]
    notes: list[str]

    def tell(self) -> None:
        """Print the warnings and the notes."""
        for warning in self.warnings:
            terminal.warn(warning)
        for note in self.notes:
            terminal.note(note)


async def verify_listed(client: Client, prefixes: tuple[str, ...], timeout_s: float) -> Listed:
    """Verify all secrets below `prefixes` that m8 lists, and compare the list with what it listed before."""
    shown = await _shown(client, prefixes, views_pb2.SECRET_STATE_PRESENT)
    uris = sorted(shown)
    notes = [ASKED.format(count=counted(len(uris), "secret"))]
    known_stores, server = client.settings.known_stores_path, client.settings.server
    verify = functools.partial(_verify, client, timeout_s)
    if known_stores is None:
        return Listed(uris, await verify(uris), [NOT_COMPARED.format(why=NO_FILE)], notes)
    seen = SeenSecrets(known_stores.with_name(file_name(client.subject)), servers=client.settings.servers)
    try:
        found = seen.compare(server, shown, [UriPrefix.parse(prefix) for prefix in prefixes])
    except Error as error:
        return Listed(uris, await verify(uris), [NOT_COMPARED.format(why=error.message)], notes)
    if found.not_remembered:
        notes.append(NOT_REMEMBERED.format(count=found.not_remembered, most=MOST, file=seen.path))
    gone = await _deleted(client, prefixes, found.gone) if found.gone else {}
    deleted = seen.accept(server, gone)
    # Where a receipt does not follow from what was shown, the store says whether it is true.
    doubted = {uri: now for uri, now in gone.items() if uri not in deleted}
    results = await verify([*uris, *doubted])
    doubted |= {uri: shown[uri] for uri in found.unlinked}
    confirmed = seen.accept(server, _in_sync(results, doubted), confirmed=True)
    warnings = _warnings(found, gone, deleted | confirmed, seen.path)
    return Listed(uris, results[: len(uris)], warnings, notes)


def file_name(subject: str | None) -> str:
    """Return the name of the file that remembers what was shown to a subject."""
    return NAME if subject is None else f"{NAME}.{hashlib.sha256(subject.encode()).hexdigest()[:16]}"


async def _verify(client: Client, timeout_s: float, uris: Sequence[str]) -> list[Verification | Error]:
    return await client.verify_secrets(uris, timeout=timeout_s) if uris else []


async def _shown(client: Client, prefixes: tuple[str, ...], state: views_pb2.SecretState) -> dict[str, Shown]:
    """Return what m8 shows of the secrets in a state, by URI."""
    shown: dict[str, Shown] = {}
    for prefix in prefixes or ("",):
        async for view in client.queries.secrets(prefix, state=state):
            checked = await client.proofs.secret(view)
            digest = hashlib.sha256(view.receipt.content).digest() if view.HasField("receipt") else None
            shown[view.uri] = _proven(checked.receipt) if checked.receipt else Shown(digest, proven=False)
    return shown


async def _deleted(client: Client, prefixes: tuple[str, ...], gone: Sequence[str]) -> dict[str, Shown]:
    """Return the proven deletions that m8 shows of what is gone, by URI."""
    shown = await _shown(client, prefixes, views_pb2.SECRET_STATE_DELETED)
    return {uri: shown[uri] for uri in gone if uri in shown and shown[uri].deleted}


def _proven(receipt: Receipt) -> Shown:
    deleted = receipt.outcome == upload_pb2.OUTCOME_DELETED
    return Shown(
        receipt.sha256,
        proven=True,
        version=receipt.prior_version if deleted else receipt.upstream_version,
        prior="" if deleted else receipt.prior_version,
        restored=receipt.outcome == upload_pb2.OUTCOME_UNDELETED,
        deleted=deleted,
    )


def _in_sync(results: Sequence[Verification | Error], doubted: Mapping[str, Shown]) -> dict[str, Shown]:
    """Return those of `doubted` of which the store has just found what they say upstream, or nothing if deleted."""
    found = {one.uri: one.upstream_version for one in results if not isinstance(one, Error) and one.in_sync}
    return {uri: now for uri, now in doubted.items() if found.get(uri) == ("" if now.deleted else now.version)}


def _warnings(found: Difference, deletions: Collection[str], remembered: Collection[str], file: Path) -> list[str]:
    gone = [uri for uri in found.gone if uri not in remembered]
    warnings = [
        *_each(GONE, [uri for uri in gone if uri not in deletions]),
        *_each(NOT_NEWEST, [uri for uri in gone if uri in deletions]),
        *_each(OLDER, found.older),
        *_each(UNPROVEN, found.unproven),
        *_each(UNLINKED, [uri for uri in found.unlinked if uri not in remembered]),
    ]
    return [warning.replace("{file}", str(file)) for warning in warnings]


def _each(sentence: str, uris: Sequence[str]) -> Iterator[str]:
    for uri in uris[:_SHOWN]:
        yield sentence.replace("{uri}", uri)
    if len(uris) > _SHOWN:
        yield sentence.replace("{uri}", f"{len(uris) - _SHOWN} more")
