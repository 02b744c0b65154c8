"""`monoctl generate secret`."""

from __future__ import annotations

from pathlib import Path

import click

from monoskope.client import Client, Generated
from monoskope.errors import UsageError
from monoskope.monoctl.input.request_options import PutNotes, expect_options, notes_options
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.formats import done, emit
from monoskope.protocol.payload import KINDS

_COLUMNS = {"URI": "uri", "OUTCOME": "outcome", "VERSION": "upstream_version", "HASH": "hash"}
_KEYS = {
    "password": "password",
    "hex": "token",
    "base64": "token",
    "rsa": "private-key",
    "ed25519": "private-key",
}
"""The key of each kind if --key names none."""


@command(short_help="Have a store make a secret that nobody sees.")
@click.argument("uri")
@click.argument("recipes", nargs=-1, metavar="[KEY=KIND[:SIZE]...]")
@click.option("--kind", type=click.Choice(list(KINDS)), help="What to make for each --key.")
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
@request_options
def generate_secret(
    uri: str,
    recipes: tuple[str, ...],
    kind: str | None,
    size: int | None,
    keys: tuple[str, ...],
    out_public: Path | None,
    expect: Expect | str,
    notes: PutNotes,
    session: CommandSession,
) -> None:
    """Have a store's reactor make a secret that nobody sees. You get its hash, and the public halves of key pairs.

    Kinds: password (24 of 56 letters and digits by default), hex and base64 (32 random bytes), rsa (3072 bits) and
    ed25519. Each run makes new values. By default it writes only where nothing is, or replaces what was put through m8.

    \b
    monoctl generate secret app/db --kind password
    monoctl generate secret app/signing --kind ed25519 --out-public signing.pem
    monoctl generate secret app/all password=password:32 tls.key=rsa:4096 --expect absent
    """  # noqa: D301 - click wants the character itself
    wanted = _recipes(recipes, kind, size, keys)
    if out_public is not None and not out_public.absolute().parent.is_dir():
        raise UsageError(f"the folder of {out_public} does not exist.", fix="Create it, or choose another file.")

    generated = session.run(
        lambda client: client.generate_secret(
            uri, wanted, expect=expect, labels=notes.labels, expires_on=notes.expires_on, timeout=session.timeout
        )
    )
    emit(session.output, done(generated), _COLUMNS)
    if session.output == "table":
        for name, value in generated.public_values.items():
            terminal.out("", f"{name}:", *value.split("\n"), end="")
    if out_public is not None:
        _write(out_public, "".join(generated.public_values.values()))


def _recipes(words: tuple[str, ...], kind: str | None, size: int | None, keys: tuple[str, ...]) -> dict[str, str]:
    """Return for each key what to make. Raises `UsageError`."""
    pairs = [word.partition("=") for word in words]
    for key, equals, text in pairs:
        if not (key and equals and text):
            # The message does not repeat the word: it may be a value.
            raise UsageError("a word does not say what to make.", fix="Write KEY=KIND or KEY=KIND:SIZE.")
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
