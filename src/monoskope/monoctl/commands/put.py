"""What takes values: `monoctl put secret`, `monoctl patch secret` and `monoctl compare secret`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import click

from monoskope.client import Client, PutResult
from monoskope.client.purposes import Expect, changes
from monoskope.errors import Error
from monoskope.monoctl.groups import command
from monoskope.monoctl.input.approval_options import How, approval_options, one_uri
from monoskope.monoctl.input.put_each import planned, put_each
from monoskope.monoctl.input.request_options import PutNotes, engine_options, expect_options, notes_options
from monoskope.monoctl.input.values import Sources, Values, check_words, read_values, source_options, split_words
from monoskope.monoctl.options import CommandSession, request_options
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.ending import WRITTEN, end
from monoskope.monoctl.output.formats import emit
from monoskope.protocol.options import Options

if TYPE_CHECKING:
    from monoskope.client.walk.checks import Preview


@command(short_help="Put a secret into one store or several.")
@click.argument("words", nargs=-1, required=True, metavar="URI [URI...] [KEY...]")
@source_options
@expect_options(
    "absent|VERSION", "Write only if nothing, or this version, is upstream.", "Replace whatever is upstream."
)
@click.option(
    "--each",
    is_flag=True,
    help="Put one secret for each key, below URI, which is a prefix and ends in '/'. Each has one key, `value`, and"
    " the whole --timeout.",
)
@engine_options
@notes_options
@approval_options
@click.option("--dry-run", is_flag=True, help="Show what would be sent, without a value; request no key.")
@request_options
def put_secret(  # noqa: PLR0917 - click passes them by name
    words: tuple[str, ...],
    sources: Sources,
    expect: Expect | str,
    options: Options | None,
    notes: PutNotes,
    how: How,
    session: CommandSession,
    *,
    each: bool,
    dry_run: bool,
) -> None:
    """Put a secret into one store or several.

    The first word, and each word with a "/", is a URI: `store://path`, or `path` in the default store. Each other word
    is a KEY; its value is asked for and not shown. Without keys and without --from-…, keys and values are asked for.

    The command succeeds only with a receipt signed by the store's pinned identity. By default it writes only where
    nothing is, or replaces what was put through m8. Labels and day of expiry stay as they are unless you name them.

    Several URIs are all checked before the first is written, and each has its row: what was done, or FAILED, NOT_TRIED
    or UNKNOWN with the reason. Exit code 16 if some were written and some were not.

    \b
    monoctl put secret app/db password
    monoctl put secret vault://app/db local://app/db --from-file tls.key=key.pem
    pwgen 32 1 | monoctl put secret app/db --from-file password=- --trim-newline --expect absent
    monoctl put secret app/ --from-env-file .env --each --dry-run
    """  # noqa: D301 - click wants the character itself
    uris, keys = split_words(words)
    values = read_values(sources, keys)
    plan = planned(uris, values, each=each, expect=expect)

    async def preview(client: Client) -> list[Preview]:
        return [await client.preview_put(uri, plan[uri], expect=expect) for uri in plan]

    async def work(client: Client) -> list[PutResult | Error]:
        put = functools.partial(
            client.put_secrets, expect=expect, options=options, labels=notes.labels, expires_on=notes.expires_on
        )
        return await (put_each(put, plan, session.timeout) if each else put(uris, values, timeout=session.timeout))

    if dry_run:
        _show(session.run(preview), session.output)
    elif how.at_once:
        end(session.run(work, several=len(uris) > 1), session.output, WRITTEN, changes=True)
    else:
        from monoskope.monoctl.commands.approvals import Proposal, carried_out  # noqa: PLC0415 - few changes take approvals

        uri = one_uri(list(plan))
        proposal = Proposal.put(
            uri, plan[uri], expect=expect, options=options, labels=notes.labels, expires_on=notes.expires_on
        )
        end([carried_out(session, how, proposal, plan[uri])], session.output, WRITTEN)


def _show(previews: list[Preview], output: str) -> None:
    """Print what would be sent."""
    from monoskope.monoctl.output.views import preview  # noqa: PLC0415 - for --dry-run alone

    documents = list(map(preview, previews))
    columns = {"URI": "uri", "EXPECT": "expect", "KEYS AND BYTES": "sizes"}
    columns |= {"REMOVES": "removes"} if any(one.removes for one in previews) else {}
    columns |= {"SEALED AS": "size_class", "PINNED": "pinned"}
    if output == "table":
        for one, shown in zip(previews, documents, strict=True):
            if shown["expect"] == Expect.ANY.name:
                # Content that others put there is not replaced.
                shown["expect"] = "put through m8" if one.rules.merges else "nothing, or put through m8"
    emit(output, documents[0] if len(documents) == 1 else documents, columns)
    if output == "table":
        # Once for each layout: with --each there are many secrets of one store.
        layouts: dict[str, str] = {}
        for one in previews:
            layouts.setdefault(one.layout, one.uri)
        layouts.pop("", None)
        for layout, uri in layouts.items():
            terminal.out(f"{uri} will lie in its engine like this: {layout}")
        terminal.err("Dry run: no key was requested, nothing was sent.")


@command(short_help="Change some keys of secrets and leave the others.")
@click.argument("words", nargs=-1, required=True, metavar="URI [URI...] [KEY...]")
@source_options
@click.option("--remove", multiple=True, metavar="KEY", help="Remove this key; can be repeated.")
@expect_options(
    "VERSION",
    "Change it only if this version is upstream.",
    "Change whatever is upstream, even what was not put through m8.",
)
@engine_options
@approval_options
@click.option("--dry-run", is_flag=True, help="Show what would be sent, without a value; request no key.")
@request_options
def patch_secret(  # noqa: PLR0917 - click passes them by name
    words: tuple[str, ...],
    sources: Sources,
    remove: tuple[str, ...],
    expect: Expect | str,
    options: Options | None,
    how: How,
    session: CommandSession,
    *,
    dry_run: bool,
) -> None:
    """Change some keys of secrets and leave the others.

    URIs, keys and values are given as for `put secret`; the value of each KEY is asked for and not shown. Other keys
    stay as they are. This program does not read them; if the engine can merge, the reactor does not either.

    The command succeeds only with a receipt signed by the store's pinned identity. The secret must exist; by default
    only what was put through m8 is changed. Labels and day of expiry stay.

    \b
    monoctl patch secret app/db password
    monoctl patch secret app/db --from-file tls.key=key.pem --remove old.key
    """  # noqa: D301 - click wants the character itself
    uris, keys = split_words(words)
    check_words(remove, remove)
    asked = keys or sources.named or not remove
    values = read_values(sources, keys) if asked else Values()
    changes(values, remove)

    async def preview(client: Client) -> list[Preview]:
        return [await client.preview_patch(uri, values, remove=remove, expect=expect) for uri in uris]

    if dry_run:
        _show(session.run(preview), session.output)
        return
    if not how.at_once:
        from monoskope.monoctl.commands.approvals import Proposal, carried_out  # noqa: PLC0415 - few changes take approvals

        proposal = Proposal.patch(one_uri(uris), values, remove=remove, expect=expect, options=options)
        end([carried_out(session, how, proposal, values)], session.output, WRITTEN)
    results = session.run(
        lambda client: client.patch_secrets(
            uris, values, remove=remove, expect=expect, options=options, timeout=session.timeout
        ),
        several=len(uris) > 1,
    )
    end(results, session.output, WRITTEN, changes=True)


_COMPARED = {"URI": "uri", "EQUAL": "equal", "DIFFERENCES": "differences", "VERSION": "upstream_version"}


@command(short_help="Compare values with what a store holds.")
@click.argument("words", nargs=-1, required=True, metavar="URI [URI...] [KEY...]")
@source_options
@request_options
def compare_secret(words: tuple[str, ...], sources: Sources, session: CommandSession) -> None:
    """Compare values with what a store holds. Nobody sees a value, nothing is written.

    URIs, keys and values are given as for `put secret`. Exit code 0 if all are equal, 12 if one differs.
    """
    uris, keys = split_words(words)
    values = read_values(sources, keys)
    results = session.run(
        lambda client: client.compare_secrets(uris, values, timeout=session.timeout), several=len(uris) > 1
    )
    end(results, session.output, _COMPARED, as_expected=lambda comparison: comparison.equal)
