"""`monoctl get`: secrets, one secret, one request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import click

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client import Client
from monoskope.client.client import SECRET_STATES
from monoskope.client.queries import request_id_bytes
from monoskope.client.runtime import within
from monoskope.client.walk.receipts import Checked
from monoskope.monoctl.groups import command
from monoskope.monoctl.input.request_options import full_prefix, one_prefix, parse_day, parse_labels
from monoskope.monoctl.options import CommandSession, list_options, timeout_option
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.formats import TABLES, WIDE, Document, pairs, short, show
from monoskope.monoctl.output.views import tell, tell_signer, tell_whose
from monoskope.settings import check_new, write_private
from monoskope.times import now_ms, parse_moment

_SECRETS = {
    "URI": "uri",
    "HASH": "hash",
    "VERSION": "upstream_version",
    "PROVEN": "proven",
    "SYNC": "status",
    "BY": "subject",
    "CHANGED": "changed_at",
}
_CHANGED = {
    "URI": "uri",
    "CHANGED": "changed_at",
    "BY": "subject",
    "SIGNED BY": "signer",
    "MADE": "made",
    "MADE AT": "made_where",
    "KNOWN KEYS": "known_keys",
    "PROVEN": "proven",
}
"""With --since: who changed it, and which values somebody may know."""
_UPLOAD = {
    "REQUEST": "request_id",
    "URI": "uri",
    "PURPOSE": "purpose",
    "STATE": "state",
    "OUTCOME": "outcome",
    "REASON": "reason",
    "PROVEN": "proven",
    "BY": "subject",
    "CHANGED": "changed_at",
}


_NOTES = {"VERIFIED": "verified_at", "EXPIRES": "expires_on", "LABELS": "labels", "EDITED BY": "notes_edited_by"}
"""Columns that are shown if any of the secrets has a value for them."""
_VERSIONS = {
    "RECORDED": "changed_at",
    "OUTCOME": "outcome",
    "VERSION": "upstream_version",
    "REPLACED": "prior_version",
    "PROVEN": "proven",
    "BY": "subject",
    "REQUEST": "request_id",
    "HASH": "hash",
}
_PEOPLE = {
    "SIGNED BY": "signer",
    "SIGNING KEY": "signer_key",
    "APPROVED BY": "approvers",
    "WITHOUT APPROVALS": "break_glass",
}
"""Columns of `-o wide` that are shown if a receipt says who signed, who approved it, or why nobody did."""
_EDITS = {"EDIT": "edit"}
"""Columns of versions that are shown if any of them is an edit of notes."""
_SORTS = {
    "uri": "uri",
    "changed": "changed_at",
    "expires": "expires_on",
    "by": "subject",
    "sync": "status",
    "verified": "verified_at",
}
"""What `--sort` takes, and the field that it sorts by."""
_NEAR, _LOOKED_AT = 3, 1_000
"""How many secrets a note about a prefix names at most, and how many it looks at."""


def _columns(documents: list[Document]) -> dict[str, str]:
    return _SECRETS | {name: field for name, field in _NOTES.items() if any(row[field] for row in documents)}


def _people(documents: list[Document]) -> dict[str, str]:
    return {name: field for name, field in _PEOPLE.items() if any(row[field] for row in documents)}


def _sorted(documents: list[tuple[Document, Checked]], by: str) -> list[tuple[Document, Checked]]:
    """Return them by a field, the URI where that is equal; those without a value come last, whichever way."""
    field, backward = _SORTS[by.removeprefix("-")], by.startswith("-")
    filled = sorted((one for one in documents if one[0][field]), key=lambda one: one[0]["uri"])
    filled.sort(key=lambda one: str(one[0][field]), reverse=backward)
    return filled + [one for one in documents if not one[0][field]]


@command(short_help="List secrets.")
@click.argument("prefix", default="")
@click.option("--prefix", "below", default="", metavar="URI", help="The same as PREFIX.")
@click.option("--store", default="", metavar="STORE", help="Only of this store.")
@click.option("--by", "subject", default="", metavar="SUBJECT", help="Only those that SUBJECT changed last.")
@click.option(
    "--state",
    type=click.Choice(list(SECRET_STATES)),
    default="present",
    show_default=True,
    help="Drifted: the last upload replaced what others had put. Out of sync: `verify secret` found a difference.",
)
@click.option("--expiring", metavar="DAY", help="Only those that expire by then, or have expired: YYYY-MM-DD, or 30d.")
@click.option("--since", metavar="TIME", help="Only those changed since then (90d, 2026-01-31), and how.")
@click.option("-l", "--label", "labels", multiple=True, metavar="NAME=VALUE", help="Only with this label; repeatable.")
@click.option(
    "--sort",
    type=click.Choice([*_SORTS, *(f"-{word}" for word in _SORTS)]),
    default="uri",
    metavar=f"[-]{'|'.join(_SORTS)}",
    show_default=True,
    help="By what to sort; -changed is the newest first.",
)
@click.option("--limit", type=click.IntRange(1), help="At most this many.")
@list_options
def secrets(  # noqa: PLR0917 - click passes them by name
    prefix: str,
    below: str,
    store: str,
    subject: str,
    state: str,
    expiring: str | None,
    since: str | None,
    labels: tuple[str, ...],
    sort: str,
    limit: int | None,
    session: CommandSession,
) -> None:
    """List the secrets below PREFIX, or all that you may see.

    PREFIX is `store://`, `store://segment…`, or a path in the default store (with --store, in that store).

    SYNC is what is known of the engine, in one word: IN_SYNC, DRIFTED and GONE are the last answer of `verify secret`;
    OVERWROTE: not verified since, and the last put replaced what others had put; DELETED; "-": not verified since.

    PROVEN says whether a receipt of the store's pinned identity proves hash and version. Everything else is m8's word:
    who and when, labels and state, that there is no newer receipt, and that the list is complete.

    With --since it also says, one question for each, how what is there came there, and PROVEN means that, too, and who
    signed. BY is whom m8 named to the reactor.
    KNOWN KEYS are those whose values somebody may know: all but those that a reactor made at random, and that only
    copies brought further, from a secret that is listed, too.

    \b
    monoctl get secrets --since 90d
    monoctl get secrets app --label owner=team-a --sort expires
    monoctl get secrets -o json | jq -r '.[] | [.uri, .labels.owner] | @tsv'
    """  # noqa: D301 - click wants the character itself
    given = one_prefix(prefix, below)
    before, wanted = parse_day(expiring, more=1) if expiring else "", parse_labels(labels)
    since_ms = parse_moment(since, now_ms=now_ms()) if since else 0

    async def work(client: Client) -> list[tuple[Document, Checked]]:
        found: list[tuple[Document, Checked]] = []
        proofs = client.proofs
        full = await full_prefix(client, given, store=store)
        views_of = client.queries.secrets(
            full,
            store=store,
            subject=subject,
            state=SECRET_STATES[state],
            expiring_before=before,
            labels=wanted,
        )
        if since_ms:
            found = await _changed(client, views_of, since_ms)
        else:
            async for view in views_of:
                checked = await proofs.secret(view)
                found.append((views.secret(view, checked), checked))
                if len(found) == limit and sort == "uri":
                    break
        if not found and (near := await _that_begin_with(client, full)):
            terminal.note(f"PREFIX counts by whole segments. There are secrets that begin with it: {', '.join(near)}.")
        return (found if sort == "uri" else _sorted(found, sort))[:limit]

    results = session.run(work, several=bool(since_ms))
    documents = [document for document, _ in results]
    columns = _CHANGED if since_ms else _columns(documents)
    wide = columns | _people(documents)
    show(session.output, session.named(documents), columns, name="uri", wide=wide, nothing="No secrets found.")
    tell(((document["uri"], checked) for document, checked in results), notes=session.output in TABLES)


async def _changed(
    client: Client, views_of: AsyncIterator[views_pb2.Secret], since_ms: int
) -> list[tuple[Document, Checked]]:
    """Return the secrets that changed since then, each with how what is there came there."""
    from monoskope.client.made import History  # noqa: PLC0415 - few ask how

    found = [view async for view in views_of if view.uploaded_at_ms >= since_ms]
    made = await History(client.queries, client.proofs).of(found, since_ms=since_ms)
    pairs_of = zip(found, made, strict=True)
    return [(views.secret(view, one.checked) | views.made(one), one.checked) for view, one in pairs_of]


async def _that_begin_with(client: Client, prefix: str) -> list[str]:
    """Return up to three URIs of secrets that begin with `prefix` as a text, among the first thousand beside it."""
    parent, slash, name = prefix.rpartition("/")
    found: list[str] = []
    if not (slash and name):
        return found
    looked = 0
    async for view in client.queries.secrets(f"{parent}/" if parent.endswith("/") else parent):
        looked += 1
        if view.uri.startswith(prefix):
            found.append(view.uri)
        if len(found) == _NEAR or looked == _LOOKED_AT:
            break
    return found


@command(short_help="Show one secret.")
@click.argument("uri")
@click.option(
    "--versions",
    is_flag=True,
    help="Show every change of it and of its notes, and every deletion, the newest first.",
)
@list_options
def secret(uri: str, session: CommandSession, *, versions: bool) -> None:
    """Show one secret: its hash if you may see it, its version, who changed it last and when. Never a value.

    PROVEN means the same as in `get secrets`. With --versions it says what the receipt of each request proves.
    """
    if versions:
        _show_versions(uri, session)
        return

    async def work(client: Client) -> tuple[Document, Checked]:
        view = await client.queries.secret(await client.full_uri(uri))
        checked = await client.proofs.secret(view)
        return views.secret(view, checked), checked

    document, checked = session.run(work)
    columns = _columns([document])
    show(session.output, session.named([document])[0], columns, name="uri", wide=columns | _people([document]))
    if session.output in TABLES and document["values"]:
        terminal.out()
        pairs(
            document["values"]
            if session.output == WIDE
            else {key: short(text) for key, text in document["values"].items()}
        )
    tell([(document["uri"], checked)], notes=session.output in TABLES)


def _show_versions(uri: str, session: CommandSession) -> None:
    async def work(client: Client) -> list[tuple[Document, Checked]]:
        full = await client.full_uri(uri)
        found = [view async for view in client.queries.secret_versions(full, with_edits=True)]
        checks = await client.proofs.versions(found)
        return [(views.version(view, checked), checked) for view, checked in zip(found, checks, strict=True)]

    results = session.run(work, several=True)
    documents = [document for document, _ in results]
    columns = _VERSIONS | (_EDITS if any(document["edit"] for document in documents) else {})
    wide = columns | _people(documents)
    show(session.output, session.named(documents), columns, name="upstream_version", wide=wide)
    named = ((_version_name(document), checked) for document, checked in results)
    tell(named, notes=session.output in TABLES)


def _version_name(document: Document) -> str:
    return f"the edit of {document['changed_at']}" if document["edit"] else f"request {document['request_id']}"


@command(short_help="Show one request.")
@click.argument("request_id")
@click.option("--wait", is_flag=True, help="Wait until it has ended.")
@click.option(
    "--proof",
    "proof_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a proof of it that needs no m8, a file of mode 0600; waits for it up to 30 seconds.",
)
@click.option("--force", is_flag=True, help="With --proof: replace FILE if it exists.")
@timeout_option
@list_options
def upload(request_id: str, session: CommandSession, proof_file: Path | None, *, wait: bool, force: bool) -> None:
    """Show one request. Its outcome is shown only if a receipt of the store's pinned identity proves it.

    PROVEN says whether there is such a receipt. What m8 says without a receipt is marked; the rest is m8's word, too.

    With --proof it also writes what proves to others what became of the request (docs/log-proofs.md). Just after a put
    no checkpoint of the log covers it: then the command waits, and ends as NOT_YET.
    """
    if proof_file is not None:
        check_new(proof_file, force=force)

    async def work(client: Client) -> tuple[views_pb2.SecretUpload, Checked, str, bytes]:
        content = request_id_bytes(request_id)
        with within(client.queries.runtime, session.timeout):
            answer = await client.queries.upload_answer(content, wait=wait, timeout_s=session.timeout)
            checked = await client.proofs.upload(answer, content)
            proof = b"" if proof_file is None else (await client.log.upload_proof(request_id)).content
        return answer.upload, checked, client.settings.signing_key, proof

    view, checked, signing_key, proof = session.run(work)
    if proof_file is not None:
        write_private(proof_file, proof, replace=force)
        terminal.err(f"The proof is in {proof_file}. To check it: monoctl verify proof {proof_file}")
    document = views.upload(view, checked)
    columns = _UPLOAD if checked.proven else _UPLOAD | {"M8 SAYS": "m8_says"}
    columns |= _people([document]) if checked.proven else {}
    show(session.output, session.named([document])[0], columns, name="request_id")
    tell([(f"request {request_id}", checked)], notes=session.output in TABLES)
    tell_whose(checked, view.purpose)
    tell_signer(checked, signing_key)
