"""What reactors do in engines: `monoctl copy|generate|import|verify secret` and `monoctl list-upstream`."""

from __future__ import annotations

from pathlib import Path

import click

from monoskope.client import Client, UpstreamPage, Verification
from monoskope.client.purposes import Expect
from monoskope.client.walk.results import Generated, Proven
from monoskope.errors import Error, UsageError
from monoskope.monoctl.groups import command
from monoskope.monoctl.input.approval_options import How, approval_options
from monoskope.monoctl.input.request_options import PutNotes, expect_options, full_prefix, notes_options
from monoskope.monoctl.options import CommandSession, request_options
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.ending import COPIED, WRITTEN, end
from monoskope.monoctl.output.formats import done, emit
from monoskope.monoctl.output.listed import Listed, verify_listed
from monoskope.protocol.recipes import KINDS, Recipe, check_recipes

_KEYS = {
    "password": "password",
    "hex": "token",
    "base64": "token",
    "rsa": "private-key",
    "ed25519": "private-key",
}
"""The key of each kind that --kind can name, if --key names none."""
PUBLIC = "everybody who may see the request sees what `fixed` and `text` say, in m8's log for ever."
_LISTED = {"URI": "uri", "M8 SAYS": "m8_says"}
_VERIFIED = {"URI": "uri", "OUTCOME": "outcome", "UPSTREAM": "upstream_version", "NEWEST": "newest"}
PROVEN = "the store's receipt proves these names; what m8 knows of them is its word. They stand in m8's log now."
UNADDRESSABLE = "{count} more below {uri} cannot be named by a URI, and are left out."
SENTENCES = (PROVEN, UNADDRESSABLE, PUBLIC)


@command(short_help="Copy a secret, or some of its keys.")
@click.argument("uri")
@click.argument("destination")
@click.option("--key", "keys", multiple=True, metavar="NAME", help="Copy this key alone, and not all; can be repeated.")
@expect_options("absent|VERSION", "Copy only if nothing, or this version, is there.", "Replace whatever is there.")
@approval_options
@request_options
def copy_secret(  # noqa: PLR0917 - click passes them by name
    uri: str, destination: str, keys: tuple[str, ...], expect: Expect | str, how: How, session: CommandSession
) -> None:
    """Copy the secret at URI to DESTINATION, in that store or another.

    With --key the destination has these keys alone afterwards.

    The reactor of URI's store reads the secret and puts it there; none else sees it. The reactor's own settings say
    where it may copy to: see `copies_to` in `monoctl describe secret-store`. The command succeeds only with signed
    receipts of both stores that show the same hash.
    """
    if how.at_once:
        copied: Proven = session.run(
            lambda client: client.copy_secret(uri, destination, keys=keys, expect=expect, timeout=session.timeout)
        )
    else:
        from monoskope.monoctl.commands.approvals import Proposal, carried_out  # noqa: PLC0415 - few changes take approvals

        copied = carried_out(session, how, Proposal.copy(uri, destination, keys=keys, expect=expect))
    emit(session.output, done(copied), COPIED)


@command(short_help="Adopt secrets that others put into an engine.")
@click.argument("uris", nargs=-1, required=True, metavar="URI [URI...]")
@request_options
def import_secret(uris: tuple[str, ...], session: CommandSession) -> None:
    """Adopt secrets that others put into an engine.

    The store's reactor reads each secret and signs a receipt with its hash. It moves, writes and shows nothing. From
    then on a put may replace the secret, as if it had been put through m8.
    """
    results = session.run(lambda client: client.import_secrets(uris, timeout=session.timeout), several=len(uris) > 1)
    end(results, session.output, WRITTEN, changes=True)


@command(short_help="Check that stores still hold what was put.")
@click.argument("uris", nargs=-1, metavar="[URI...]")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="All secrets below the given prefixes (`store://`, `store://segment…`, or a path in the default store), or "
    "all that you may see.",
)
@request_options
def verify_secret(uris: tuple[str, ...], session: CommandSession, *, everything: bool) -> None:
    """See whether stores still hold what the newest receipts say. Nobody sees a value, nothing is written.

    The outcome is IN_SYNC, DRIFTED (something else is upstream) or GONE. Exit code 0 if all are in sync, 12 if one is
    not. NEWEST says whether the store was asked about the newest receipt that m8 shows; without the right to see hashes
    it is empty.

    With --all it is m8 that says which secrets there are. What it lists and shows is compared with what it did before
    (`seen_secrets`, beside `known_stores`): a warning names what is missing without a proven deletion of the version
    that it listed last, what is older, and what does not follow from what it showed and is not in sync.
    """
    if not uris and not everything:
        raise UsageError("no secret is named.", fix="Name URIs, or say --all.")

    async def work(client: Client) -> tuple[Listed | None, list[Verification | Error]]:
        if not everything:
            return None, await client.verify_secrets(uris, timeout=session.timeout)
        below = tuple([await full_prefix(client, uri) for uri in uris])
        asked = await verify_listed(client, below, session.timeout)
        return asked, asked.results

    asked, results = session.run(work, several=everything or len(uris) > 1)
    end(
        results,
        session.output,
        _VERIFIED,
        as_expected=lambda verification: verification.in_sync,
        listed=everything,
        after=lambda: asked.tell() if asked is not None else None,
    )


@command(short_help="List what is in an engine, to find what can be imported.")
@click.argument("uri", metavar="URI")
@click.option("--importable", is_flag=True, help="Only secrets that can be imported.")
@request_options
def list_upstream(uri: str, *, importable: bool, session: CommandSession) -> None:
    """List the names that a store's engine holds directly below URI, known to m8 or not.

    Names alone: the store's reactor reads no value for it. A name with "/" at its end is a folder; list it to see what
    is below. URI has at least one segment (`store://segment`). It takes the right `list`, and a store whose reactor may
    list (`listable = true`). All listed names stay in m8's log for ever.
    """

    async def work(client: Client) -> list[UpstreamPage]:
        return [page async for page in client.list_upstream_pages(uri, timeout=session.timeout)]

    pages = session.run(work)
    names = [name for page in pages for name in page.names if name.can_be_imported or not importable]
    emit(session.output, [views.upstream(one) for one in names], _LISTED, nothing="No names found.")
    if names and session.output == "table":
        terminal.note(PROVEN)
    if unaddressable := max(page.unaddressable for page in pages):
        terminal.note(UNADDRESSABLE.format(count=unaddressable, uri=pages[0].uri))


@command(short_help="Have a store make a secret that nobody sees.")
@click.argument("uri")
@click.argument("recipes", nargs=-1, metavar="[KEY=KIND[:SIZE|:TEXT]...]")
@click.option("--kind", type=click.Choice(list(_KEYS)), help="What to make for each --key.")
@click.option("--size", type=click.IntRange(1), help="Characters of a password, random bytes, or bits of an RSA key.")
@click.option("--key", "keys", multiple=True, metavar="NAME", help="The key to make it under; can be repeated.")
@click.option(
    "--out-public",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the public halves to this file, PEM, in the order of the keys.",
)
@expect_options(
    "absent|VERSION", "Write only if nothing, or this version, is upstream.", "Replace whatever is upstream."
)
@notes_options
@approval_options
@request_options
def generate_secret(  # noqa: PLR0917 - click passes them by name
    uri: str,
    recipes: tuple[str, ...],
    kind: str | None,
    size: int | None,
    keys: tuple[str, ...],
    out_public: Path | None,
    expect: Expect | str,
    notes: PutNotes,
    how: How,
    session: CommandSession,
) -> None:
    """Have a store's reactor make a secret that nobody sees. You get its hash, and the public halves of key pairs.

    Kinds: password (24 of 56 letters and digits by default), hex and base64 (32 random bytes), rsa (3072 bits) and
    ed25519. Each run makes new values. By default it writes only where nothing is, or replaces what was put through m8.

    A value can also be put together: fixed:TEXT is TEXT, and text:TEMPLATE has other values of the secret at {KEY},
    {KEY|url} (percent-encoded) or {KEY|json} (as inside a JSON string); {{ and }} stand for braces. TEXT (128
    characters) and TEMPLATE (2,048) are not secret: all who may see the request see them.

    \b
    monoctl generate secret app/db --kind password
    monoctl generate secret app/signing --kind ed25519 --out-public signing.pem
    monoctl generate secret app/all password=password:32 tls.key=rsa:4096 --expect absent
    monoctl generate secret app/url user=fixed:app password=password 'url=text:db://{user}:{password|url}@db/app'
    """  # noqa: D301 - click wants the character itself
    wanted = _recipes(recipes, kind, size, keys)
    made = check_recipes([Recipe.parse(key, text) for key, text in wanted.items()])
    if out_public is not None and not out_public.absolute().parent.is_dir():
        raise UsageError(f"the folder of {out_public} does not exist.", fix="Create it, or choose another file.")

    if any(KINDS[recipe.kind].longest for recipe in made):
        terminal.note(PUBLIC)
    if how.at_once:
        generated: Proven = session.run(
            lambda client: client.generate_secret(
                uri, wanted, expect=expect, labels=notes.labels, expires_on=notes.expires_on, timeout=session.timeout
            )
        )
    else:
        from monoskope.monoctl.commands.approvals import Proposal, carried_out  # noqa: PLC0415 - few changes take approvals

        proposal = Proposal.generate(uri, wanted, expect=expect, labels=notes.labels, expires_on=notes.expires_on)
        generated = carried_out(session, how, proposal)
    emit(session.output, done(generated), WRITTEN)
    assert isinstance(generated, Generated)
    public = generated.public_values
    if session.output == "table":
        for name, value in public.items():
            terminal.out("", f"{name}:", *value.split("\n"), end="")
    if out_public is not None:
        _write(out_public, "".join(public.values()))


def _recipes(words: tuple[str, ...], kind: str | None, size: int | None, keys: tuple[str, ...]) -> dict[str, str]:
    """Return for each key what to make. Raises `UsageError`."""
    pairs = [word.partition("=") for word in words]
    for key, equals, text in pairs:
        if not (key and equals and text):
            # The message does not repeat the word: it may be a value.
            raise UsageError(
                "a word does not say what to make.",
                fix="Write KEY=KIND, KEY=KIND:SIZE, KEY=text:TEMPLATE or KEY=fixed:TEXT.",
            )
    wanted = [(key, text) for key, _, text in pairs]
    if kind is not None:
        text = kind if size is None else f"{kind}:{size}"
        wanted += [(key, text) for key in keys or (_KEYS[kind],)]
    elif size is not None or keys:
        raise UsageError("--size and --key need --kind.", fix="Add --kind, or write KEY=KIND:SIZE.")
    if not wanted:
        raise UsageError("nothing says what to make.", fix="Add --kind, for example --kind password.")
    if len({key for key, _ in wanted}) != len(wanted):
        raise UsageError("a key is to be made twice.", fix="Name each key once.")
    return dict(wanted)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="ascii")
    except OSError as error:
        raise UsageError(
            f"the secret is upstream, but {file} cannot be written: {error.strerror}.",
            fix="The public halves are printed above.",
        ) from None
