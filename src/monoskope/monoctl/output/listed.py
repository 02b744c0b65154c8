"""What `verify secret --all` says about m8's list, since only m8 knows which secrets there are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client import Client
from monoskope.client.known_stores import NO_FILE
from monoskope.client.seen_secrets import MOST, NAME, SeenSecrets, Shown
from monoskope.counted import counted
from monoskope.errors import Error
from monoskope.monoctl.output import terminal
from monoskope.uri import UriPrefix
from monoskope.value import Value

ASKED = "asked about {count}, all that m8 lists."
GONE = (
    "{uri}: m8 listed it before, does not list it now, and proves no deletion"
    " (if you expected this, remove its line from {file})."
)
OLDER = "{uri}: m8 shows an older receipt as the newest than it showed before."
UNPROVEN = "{uri}: m8 showed a proven receipt before, and shows none now."
NOT_COMPARED = "what m8 lists was not compared with what it listed before: {why}"
NOT_REMEMBERED = "{count} of them are not remembered for the next time: {most:,} secrets are, in {file}."
SENTENCES = (ASKED, GONE, OLDER, UNPROVEN, NOT_COMPARED, NOT_REMEMBERED)
_SHOWN = 20
"""How many warnings of one kind are printed; the rest is counted."""


class Listed(Value, frozen=True):
    """The secrets that m8 lists, with warnings and notes about the list."""

    uris: list[str]
    warnings: list[str]
    notes: list[str]

    def tell(self) -> None:
        """Print the warnings and the notes."""
        for warning in self.warnings:
            terminal.warn(warning)
        for note in self.notes:
            terminal.note(note)


async def listed(client: Client, prefixes: tuple[str, ...]) -> Listed:
    """Ask m8 for all secrets below `prefixes`, and compare with what it listed before."""
    below = [UriPrefix.parse(prefix) for prefix in prefixes]
    proofs = client.proofs
    shown: dict[str, Shown] = {}
    for prefix in prefixes or ("",):
        async for view in client.queries.secrets(prefix):
            checked = await proofs.secret(view)
            digest = hashlib.sha256(view.receipt.content).digest() if view.HasField("receipt") else None
            shown[view.uri] = Shown(digest, checked.proven)
    uris = sorted(shown)
    notes = [ASKED.format(count=counted(len(uris), "secret"))]
    known_stores = client.settings.known_stores_path
    if known_stores is None:
        return Listed(uris, [NOT_COMPARED.format(why=NO_FILE)], notes)
    seen = SeenSecrets(known_stores.with_name(file_name(client.subject)), servers=client.settings.servers)
    server = client.settings.server
    try:
        found = seen.compare(server, shown, below)
    except Error as error:
        return Listed(uris, [NOT_COMPARED.format(why=error.message)], notes)
    proven = await _deleted(client, prefixes) if found.gone else {}
    deleted = seen.accept(server, {uri: proven[uri] for uri in found.gone if uri in proven})
    if found.not_remembered:
        notes.append(NOT_REMEMBERED.format(count=found.not_remembered, most=MOST, file=seen.path))
    gone = [uri for uri in found.gone if uri not in deleted]
    warnings = [
        *_each(GONE.replace("{file}", str(seen.path)), gone),
        *_each(OLDER, found.older),
        *_each(UNPROVEN, found.unproven),
    ]
    return Listed(uris, warnings, notes)


def file_name(subject: str | None) -> str:
    """Return the name of the file that remembers what was shown to a subject."""
    return NAME if subject is None else f"{NAME}.{hashlib.sha256(subject.encode()).hexdigest()[:16]}"


async def _deleted(client: Client, prefixes: tuple[str, ...]) -> dict[str, bytes]:
    """Return the URIs whose deletion m8 proves, each with the SHA-256 of its receipt."""
    proofs, state = client.proofs, views_pb2.SECRET_STATE_DELETED
    return {
        view.uri: hashlib.sha256(view.receipt.content).digest()
        for prefix in prefixes or ("",)
        async for view in client.queries.secrets(prefix, state=state)
        if view.deleted and (await proofs.secret(view)).proven
    }


def _each(sentence: str, uris: Sequence[str]) -> Iterator[str]:
    for uri in uris[:_SHOWN]:
        yield sentence.replace("{uri}", uri)
    if len(uris) > _SHOWN:
        yield sentence.replace("{uri}", f"{len(uris) - _SHOWN} more")
