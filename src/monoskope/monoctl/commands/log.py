"""The log to which m8 is held: `monoctl get log`, `monoctl verify log` and `monoctl verify proof`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from monoskope.client.known.sources import find
from monoskope.client.known.table import Setting
from monoskope.client.results.log import ProvenApprover, UploadProof
from monoskope.client.settings import identities_from, parse_identities
from monoskope.host_port import check_servers
from monoskope.monoctl.groups import command
from monoskope.monoctl.input.values import read_file
from monoskope.monoctl.options import CommandSession, config_option, context_option, output_option, output_options
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.formats import cell, emit, fields_of, pairs, plain
from monoskope.text import counted

_LINES = {
    "Log": "origin",
    "Server": "server",
    "Entries": "size",
    "Signed": "signed_at",
    "Entries that witnesses saw": "witnessed_size",
    "Seen before with": "pinned_size",
    "Witnesses that m8 wants": "quorum",
    "Witnesses that you demand": "demanded",
    "Trouble": "trouble",
    "Trouble with witnesses": "quorum_trouble",
    "Renewed": "renewed_at",
    "Why renewed": "renewal_reason",
}
_M8S_WORD = "REQUESTED BY and RECORDED are m8's word."
_END_BY_M8 = "No receipt says how it ended: what EVENT and REASON say is m8's word, too."
_M8S_WORD_ALONE = (
    "The store signed nothing of this request: nothing proves what was asked but the word of m8, and of the person who"
    " gave you the file."
)
_BROKEN = "the glass was broken: {signer} did this alone, without the approvals that the store asks for."
_KEYS_BY_THE_STORE = (
    "Each approver signed this change; that the keys are theirs is the store's word, unless you give its list with"
    " `--approvers`."
)
_NOBODY_APPROVED = "Nobody else approved it: the store asks for up to {asked} there, and none of this signer."
_NO_WITNESS = "No witness that you named cosigned the log: only m8 says since when the event is in it."
_NOT_ENDED = "The request had not ended when the proof was made."
_MOST = 1_048_576
"""Bytes of a proof or a note at most."""


@command(short_help="Show the log to which m8 is held.")
@click.option("--note", "only_note", is_flag=True, help="Print the newest signed note alone, for another person.")
@output_options
def log(session: CommandSession, *, only_note: bool) -> None:
    """Show the log to which m8 is held: how many entries it has, who signed that and when, and who cosigned it.

    The command ends with exit code 18 if the log does not fit what this machine knows of it. Give the note that --note
    prints to another person: their `monoctl verify log` shows whether m8 shows them the same log.
    """
    found = session.run(lambda client: client.log.get())
    if only_note:
        terminal.out(*found.note.split("\n"), end="")
        return
    document = views.log(found)
    if session.output != "table":
        emit(session.output, document, {})
        return
    pairs({title: cell(document, name) for title, name in _LINES.items() if document[name]})
    if document["witnesses"]:
        terminal.out()
        columns = {"WITNESS": "name", "ENTRIES": "size", "COSIGNED": "cosigned_at", "TROUBLE": "trouble"}
        emit(session.output, document["witnesses"], columns)
    terminal.err("What m8 says of witnesses, of trouble and of a renewal is its word. The rest is signed by the log.")


@command(short_help="Check a proof of an upload, without a server.")
@click.argument("file", type=click.Path(allow_dash=True), metavar="FILE")
@click.option("--log-vkey", "vkeys", multiple=True, metavar="KEY", help="A verifier key of the log; give both.")
@click.option("--witness", "witnesses", multiple=True, metavar="KEY", help="The verifier key of a witness; repeatable.")
@click.option("--quorum", type=click.IntRange(0), help="How many of the witnesses must have cosigned.")
@click.option(
    "--store-identity",
    "identities",
    multiple=True,
    metavar="STORE=SHA256:…",
    help="The identity of the store, as its operator published it [MONOCTL_STORE_IDENTITY].",
)
@click.option(
    "--approvers",
    "lists",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="A list of the store's approvers (allowed_approvers), in which each must be; repeatable.",
)
@click.option("--known-stores", metavar="FILE", help="The identities you trust [MONOCTL_KNOWN_STORES].")
@config_option
@context_option
@output_option
def verify_proof(  # noqa: PLR0917 - click passes them by name
    file: str,
    vkeys: tuple[str, ...],
    witnesses: tuple[str, ...],
    quorum: int | None,
    identities: tuple[str, ...],
    lists: tuple[str, ...],
    known_stores: str | None,
    config: Path | None,
    context: str | None,
    output: str,
) -> None:
    """Say what the proof in FILE proves: what was asked, what became of it, who signed, and since when.

    No server is asked, and no token is needed. The keys of the log and the identity of the store are those that this
    machine knows (`known_logs`, `known_stores`), or that you give. '-' is standard input.

    \b
    monoctl get upload 5c0f1e… --proof put.tlog-proof
    monoctl verify proof put.tlog-proof
    """  # noqa: D301 - click wants the character itself
    from monoskope.client.proofs import trusted  # noqa: PLC0415 - a help needs none of it

    given = {"known_stores": known_stores, "log_vkeys": " ".join(vkeys), "log_witnesses": " ".join(witnesses)}
    given["log_quorum"] = None if quorum is None else str(quorum)
    found = find(given, config=config, context=context)
    said = trusted(
        read_file(file, most=_MOST + 1),
        vkeys=_words(found, "log_vkeys"),
        witnesses=_words(found, "log_witnesses"),
        quorum=_quorum(found),
        identities=parse_identities(list(identities)) if identities else identities_from(os.environ),
        known_stores=Path(found["known_stores"].value) if "known_stores" in found else None,
        servers=check_servers(found["server"].value) if "server" in found else (),
        approvers={path: read_file(path, most=_MOST).decode("utf-8", "replace") for path in lists},
    )
    if output != "table":
        emit(output, fields_of(said), {})
        return
    if said.break_glass:
        terminal.warn(_BROKEN.format(signer=said.signer))
    pairs(_lines(said))
    terminal.note(_not_proven(said))


@command(short_help="Compare another person's note of the log with your own.")
@click.argument("note", type=click.Path(allow_dash=True), metavar="NOTE")
@output_options
def verify_log(note: str, session: CommandSession) -> None:
    """Compare another person's note of m8's log, in the file NOTE, with the one that this machine keeps.

    m8 must prove that its log continues both. If it cannot, it shows different logs to different people, or its log
    was rolled back: then both notes are printed whole. They are evidence, because m8's log signed both.

    `monoctl get log` shows your own note. '-' is standard input.
    """
    content = read_file(note, most=_MOST + 1)

    compared = session.run(lambda client: client.log.compare(content))
    if session.output != "table":
        emit(session.output, fields_of(compared), {})
        return
    terminal.out(
        f"The note is of the log that this machine knows: {compared.log}, {counted(compared.size, 'entry', 'entries')};"
        f" your own note has {compared.known_size}."
    )


def _words(found: Mapping[str, Setting], name: str) -> tuple[str, ...]:
    return tuple(found[name].value.split()) if name in found else ()


def _quorum(found: Mapping[str, Setting]) -> int:
    from monoskope.client.known.demand import quorum  # noqa: PLC0415 - few give it

    return quorum(found["log_quorum"].value, found["log_quorum"].source) if "log_quorum" in found else 0


def _lines(said: UploadProof) -> dict[str, str]:
    """Names and values for people; what says nothing is left out."""
    found = {
        "GLASS BROKEN": said.break_glass,
        "Request": said.request_id,
        "Asked": f"{said.purpose} {said.uri}" + (f" to {said.destination}" if said.destination else ""),
        "Expected": f"version {said.expected_version}" if said.expected_version else said.expect,
        "Outcome": said.outcome,
        "Event": "" if said.outcome else said.event,
        "Reason": said.reason,
        "Hash": said.hash,
        "Version": said.upstream_version,
        "Identity": said.identity,
        "Identity there": said.destination_identity,
        "Signed by": f"{said.signer} {said.signer_key}".strip(),
        "Change": f"{said.change_id}, SHA-256 {said.change_sha256}" if said.change_id else "",
        "Why": said.change_reason,
        **{f"Approved by {number}": _approver(one) for number, one in enumerate(said.approvers, start=1)},
        "Witnessed": plain(said.witnessed_at) or "",
        "Witnesses": ", ".join(said.witnesses),
        "Log": f"{said.log}, entry {said.position} of {said.log_size}",
        "Requested by": said.subject,
        "Recorded": plain(said.recorded_at) or "",
    }
    return {name: value for name, value in found.items() if value}


def _approver(one: ProvenApprover) -> str:
    return f"{one.principal} {one.key}" + (f", listed in {', '.join(one.lists)}" if one.lists else "")


def _not_proven(said: UploadProof) -> str:
    """Return what is not proven, as a note."""
    told = [_M8S_WORD] if said.identity else [_M8S_WORD, _M8S_WORD_ALONE]
    if not said.outcome:
        told.append(_END_BY_M8)
    if any(not one.lists for one in said.approvers):
        told.append(_KEYS_BY_THE_STORE)
    if said.signer and said.approvals_asked and not said.approvers and not said.break_glass:
        told.append(_NOBODY_APPROVED.format(asked=counted(said.approvals_asked, "approval")))
    if said.witnessed_at is None:
        told.append(_NO_WITNESS)
    if not said.ended:
        told.append(_NOT_ENDED)
    return " ".join(told)
