"""`monoctl verify proof` and `monoctl verify log`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from monoskope.client import Client
from monoskope.client.results.log_proofs import LogComparison, UploadProof
from monoskope.client.settings import Setting, find, identities_from, parse_identities
from monoskope.counted import counted
from monoskope.errors import UsageError
from monoskope.host_port import check_servers
from monoskope.monoctl.options import CommandSession, connection_options, output_option
from monoskope.monoctl.output import log_proof_views, terminal
from monoskope.monoctl.output.formats import emit, pairs

_MOST = 1_048_576
"""Bytes of a proof or a note at most."""


@click.command(short_help="Check a proof of an upload, without a server.")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE")
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
@click.option("--known-stores", metavar="FILE", help="The identities you trust [MONOCTL_KNOWN_STORES].")
@click.option("--config", metavar="FILE", type=click.Path(path_type=Path), help="Your settings [MONOCTL_CONFIG].")
@output_option
def proof(  # noqa: PLR0917 - click passes them by name
    file: Path,
    vkeys: tuple[str, ...],
    witnesses: tuple[str, ...],
    quorum: int | None,
    identities: tuple[str, ...],
    known_stores: str | None,
    config: Path | None,
    output: str,
) -> None:
    """Say what the proof in FILE proves: what was asked, what became of it, who signed, and since when.

    No server is asked, and no token is needed. The keys of the log and the identity of the store are those that this
    machine knows (`known_logs`, `known_stores`), or that you give. '-' is standard input.

    \b
    monoctl get upload 5c0f1e… --proof put.tlog-proof
    monoctl verify proof put.tlog-proof
    """  # noqa: D301 - click wants the character itself
    from monoskope.client.proofs.files import Given, trusted  # noqa: PLC0415 - a help needs none of it

    found = find({"known_stores": known_stores}, config=config)
    given = Given(
        vkeys=vkeys or _words(found, "log_vkeys"),
        witnesses=witnesses or _words(found, "log_witnesses"),
        quorum=_quorum(found) if quorum is None else quorum,
        identities=parse_identities(list(identities)) if identities else identities_from(os.environ),
        known_stores=Path(found["known_stores"].value) if "known_stores" in found else None,
        servers=check_servers(found["server"].value) if "server" in found else (),
    )
    _show(trusted(_content(file), given), output)


@click.command(short_help="Compare another person's note of the log with your own.")
@click.argument("note", type=click.Path(path_type=Path, allow_dash=True), metavar="NOTE")
@output_option
@connection_options
def log(note: Path, output: str, session: CommandSession) -> None:
    """Compare another person's note of m8's log, in the file NOTE, with the one that this machine keeps.

    m8 must prove that its log continues both. If it cannot, it shows different logs to different people, or its log
    was rolled back: then both notes are printed whole. They are evidence, because m8's log signed both.

    `monoctl get log` shows your own note. '-' is standard input.
    """
    content = _content(note)

    async def work(client: Client) -> LogComparison:
        return await client.log.compare(content)

    compared = session.run(work)
    if output != "table":
        emit(output, log_proof_views.comparison(compared), {})
        return
    terminal.out(
        f"The note is of the log that this machine knows: {compared.log}, {counted(compared.size, 'entry', 'entries')};"
        f" your own note has {compared.known_size}."
    )


def _show(said: UploadProof, output: str) -> None:
    if output != "table":
        emit(output, log_proof_views.proof(said), {})
        return
    pairs(log_proof_views.lines(said))
    terminal.note(log_proof_views.whose_word(said))


def _content(file: Path) -> bytes:
    """Return what is in a file, or comes from standard input. Raises `UsageError`."""
    if str(file) == "-":
        return sys.stdin.buffer.read(_MOST + 1)
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", fix="Name a file that you can read.") from None


def _words(found: Mapping[str, Setting], name: str) -> tuple[str, ...]:
    return tuple(found[name].value.split()) if name in found else ()


def _quorum(found: Mapping[str, Setting]) -> int:
    from monoskope.client.known.demand import quorum  # noqa: PLC0415 - few give it

    return quorum(found["log_quorum"].value, found["log_quorum"].source) if "log_quorum" in found else 0
