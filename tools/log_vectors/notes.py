"""Vectors of verifier keys, notes, checkpoints and tiles."""

from __future__ import annotations

from tools.log_vectors.made import (
    KEYS,
    LOG_KEYS,
    LOG_TIME,
    ORIGIN,
    WITNESS_KEYS,
    WITNESS_TIMES,
    WITNESSES,
    Vector,
    b64,
    checkpoint,
    cosigned,
    ed25519,
    entries,
    flipped,
    key_id,
    line,
    plain,
    policy,
    public,
    root,
    signed,
    subtree,
    vkey,
    witnessed,
)

SIZE = 7
TEXT = checkpoint(SIZE, root(entries(SIZE)))
NOTE = signed(TEXT)
FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE = (
    "This is an example message.\n\n\N{EM DASH} example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


def vkeys() -> list[Vector]:
    """Return the vectors of verifier keys."""
    name, short = WITNESSES[0], public(WITNESSES[0], 4)
    good = [
        {"name": label, "vkey": text, "expected": {"key_name": text.split("+")[0], "key_id": text.split("+")[1]}}
        for label, text in (
            *KEYS.items(),
            ("the one of the specification", FOO),
            ("not ASCII", vkey("zeuge.example/ä", 4)),
        )
    ]
    right, wrong = (key_id(each, 4, short).hex() for each in (name, "witness.example/1"))
    typed, ones = b64(b"\x04" + short), b"\xff" * 32
    whole = vkey(name, 4)
    bad = {
        "without a name": (f"+{key_id('', 4, short).hex()}+{typed}", "NAME"),
        "a space in the name": (vkey("a b", 4), "NAME"),
        "a no-break space in the name": (vkey("a\u00a0b", 4), "NAME"),
        "a control character in the name": (vkey("a\u0085b", 4), "NAME"),
        "a name of 256 bytes": (vkey("a" * 256, 4), "NAME"),
        "two parts": (f"{name}+{right}", "FORM"),
        "the key id of another name": (f"{name}+{wrong}+{typed}", "KEY"),
        "a key id in capitals": (f"{name}+{right.upper()}+{typed}", "KEY"),
        "the key id without its first digit": (f"{name}+{right[1:]}+{typed}", "KEY"),
        "type 0x02": (vkey(name, 2, short), "KEY"),
        "type 0xff": (vkey(name, 0xFF, short), "KEY"),
        "a key of 31 bytes": (vkey(name, 4, short[:-1]), "KEY"),
        "a key of 33 bytes": (vkey(name, 1, short + b"\0"), "KEY"),
        "an Ed25519 key as ML-DSA-44": (vkey(name, 6, short), "KEY"),
        "base64 with padding too much": (whole + "=", "BASE64"),
        "base64 of URLs": (vkey(name, 4, ones).replace("/", "_"), "BASE64"),
        "nothing behind the key id": (f"{name}+{right}+", "BASE64"),
        "a new line at the end": (whole + "\n", "BASE64"),
    }
    return good + [{"name": label, "vkey": text, "expected": {"fault": fault}} for label, (text, fault) in bad.items()]


def _note(name: str, content: str | bytes, **expected: object) -> Vector:
    return {"name": name, "note": b64(content.encode() if isinstance(content, str) else content), "expected": expected}


def notes() -> list[Vector]:
    """Return the vectors of notes."""
    one = plain(ORIGIN, TEXT)
    many = [line(WITNESSES[0], 4, b"\1" * 72, bytes([number]) * 32) for number in range(33)]
    good = [
        _note("the one of the specification", FOO_NOTE, text=FOO_NOTE.partition("\n\n")[0] + "\n", signatures=1),
        _note("a checkpoint", NOTE, text=TEXT, signatures=2),
        _note("an empty line in the text", f"a\n\nb\n\n{one}", text="a\n\nb\n", signatures=1),
        _note("32 signatures", f"a\n\n{''.join(many[:32])}", text="a\n", signatures=32),
        _note("two keys of one name", f"a\n\n{many[0]}{many[1]}", text="a\n", signatures=2),
        _note("a signature of one byte", f"a\n\n{line('n', 1, b'x', b'k')}", text="a\n", signatures=1),
    ]
    bad: dict[str, tuple[str | bytes, str]] = {
        "empty": ("", "FORM"),
        "a text alone": (TEXT, "FORM"),
        "no signature after the empty line": (TEXT + "\n", "FORM"),
        "a signature alone": (one, "FORM"),
        "no empty line": (TEXT + one, "FORM"),
        "no new line at the end": (NOTE[:-1], "FORM"),
        "an empty line at the end": (NOTE + "\n", "FORM"),
        "a carriage return": (NOTE.replace("\n", "\r\n"), "FORM"),
        "a tab": (NOTE.replace(ORIGIN, ORIGIN + "\t", 1), "FORM"),
        "a NUL": (NOTE.replace(ORIGIN, ORIGIN + "\0", 1), "FORM"),
        "not UTF-8": (NOTE.encode().replace(b"\xe2\x80\x94", b"\xe2\x80", 1), "FORM"),
        "an overlong form of UTF-8": (b"\xc0\x8a" + NOTE.encode(), "FORM"),
        "a hyphen for the em dash": (NOTE.replace("\N{EM DASH}", "-", 1), "FORM"),
        "an en dash for the em dash": (NOTE.replace("\N{EM DASH}", "\N{EN DASH}", 1), "FORM"),
        "two spaces after the name": (NOTE.replace(ORIGIN + " ", ORIGIN + "  ", 1), "FORM"),
        "no space after the em dash": (NOTE.replace("\N{EM DASH} ", "\N{EM DASH}", 1), "FORM"),
        "a space at the end of a line": (NOTE.replace("=\n\N{EM DASH}", "= \n\N{EM DASH}", 1), "FORM"),
        "a plus in a name": ("a\n\n" + line("a+b", 4, b"x", b"k"), "NAME"),
        "a no-break space in a name": ("a\n\n" + line("a\u00a0b", 4, b"x", b"k"), "NAME"),
        "no name": (f"a\n\n{line('', 4, b'x', b'k')}", "NAME"),
        "no signature behind the key id": (f"a\n\n{line('n', 1, b'', b'k')}", "FORM"),
        "base64 with bits left over": ("a\n\n\N{EM DASH} n AAAAAB==\n", "BASE64"),
        "base64 without padding": ("a\n\n\N{EM DASH} n AAAAAAA\n", "BASE64"),
        "base64 of URLs": ("a\n\n\N{EM DASH} n AAAA_-AA\n", "BASE64"),
        "two signatures of one key": (f"a\n\n{many[0]}{many[0]}", "DUPLICATE"),
        "33 signatures": (f"a\n\n{''.join(many)}", "SIZE"),
        "65,537 bytes": ("a" * (65_537 - len(f"\n\n{one}".encode())) + f"\n\n{one}", "SIZE"),
    }
    return good + [_note(label, content, fault=fault) for label, (content, fault) in bad.items()]


def checkpoints() -> list[Vector]:
    """Return the vectors of checkpoints under policies."""
    quorum = policy(2, witnesses=WITNESS_KEYS)
    three = signed(TEXT, *witnessed(TEXT, 3))
    stranger = plain("stranger.example", TEXT)
    good = [
        _checkpoint("without witnesses", NOTE, policy()),
        _checkpoint("signatures in another order", _turned(NOTE), policy()),
        _checkpoint("a signature of a stranger, which does not verify", NOTE + stranger[:-9] + "AAAAAAA=\n", policy()),
        _checkpoint("two of three witnesses", signed(TEXT, *witnessed(TEXT, 2)), quorum, cosigned=2),
        _checkpoint("three of three witnesses", three, quorum, cosigned=3),
        _checkpoint("witnesses that the reader does not ask", three, policy()),
    ]
    empty = checkpoint(0, root([]))
    good.append({**_checkpoint("of no entry", signed(empty), policy()), "expected": _expected(0, root([]), 0)})
    return good + [
        {"name": name, "note": b64(note.encode()), "policy": rules, "expected": {"fault": fault}}
        for name, (note, rules, fault) in {**_forms(), **_signatures(three)}.items()
    ]


def _turned(note: str) -> str:
    text, _, lines = note.rpartition("\n\n")
    first, second = lines.splitlines(keepends=True)
    return f"{text}\n\n{second}{first}"


def _expected(size: int, top: bytes, count: int) -> Vector:
    times = dict(zip(WITNESSES, WITNESS_TIMES, strict=True))
    return {
        "origin": ORIGIN,
        "size": size,
        "root": b64(top),
        "signed_at_s": LOG_TIME,
        "cosigned": {name: times[name] for name in WITNESSES[:count]},
    }


def _checkpoint(name: str, note: str, rules: Vector, *, cosigned: int = 0) -> Vector:
    expected = _expected(SIZE, root(entries(SIZE)), cosigned)
    return {"name": name, "note": b64(note.encode()), "policy": rules, "expected": expected}


def _forms() -> dict[str, tuple[str, Vector, str]]:
    top = b64(root(entries(SIZE)))
    any_text = {
        "an extension line": (TEXT + "extension\n", "FORM"),
        "two lines": (f"{ORIGIN}\n{SIZE}\n", "FORM"),
        "an empty line at the end of the text": (TEXT + "\n", "FORM"),
        "a zero before the size": (f"{ORIGIN}\n07\n{top}\n", "NUMBER"),
        "a sign before the size": (f"{ORIGIN}\n+7\n{top}\n", "NUMBER"),
        "a size in other digits": (f"{ORIGIN}\n\u0667\n{top}\n", "NUMBER"),
        "a size of 2**63": (f"{ORIGIN}\n{2**63}\n{top}\n", "NUMBER"),
        "no size": (f"{ORIGIN}\n\n{top}\n", "NUMBER"),
        "a root of 31 bytes": (checkpoint(SIZE, root(entries(SIZE))[:-1]), "ROOT"),
        "a root with bits left over": (f"{ORIGIN}\n{SIZE}\n{top[:-2]}{chr(ord(top[-2]) + 1)}=\n", "BASE64"),
        "of no entry with another root": (checkpoint(0, root(entries(1))), "ROOT"),
        "a space in the origin": (checkpoint(SIZE, root(entries(SIZE)), "monoskope/0123 4567"), "NAME"),
    }
    return {
        name: (f"{text}\n{plain(ORIGIN, text)}{subtree(ORIGIN, TEXT, LOG_TIME)}", policy(), fault)
        for name, (text, fault) in any_text.items()
    }


def _signatures(three: str) -> dict[str, tuple[str, Vector, str]]:
    quorum = policy(2, witnesses=WITNESS_KEYS)
    other = checkpoint(SIZE, root(entries(SIZE + 1)))
    larger = checkpoint(SIZE + 1, root(entries(SIZE)))
    elsewhere = checkpoint(SIZE, root(entries(SIZE)), "monoskope/fedcba9876543210")
    first, second = plain(ORIGIN, TEXT), subtree(ORIGIN, TEXT, LOG_TIME)
    part, late = subtree(ORIGIN, TEXT, LOG_TIME, start=4), subtree(ORIGIN, TEXT, LOG_TIME, says=LOG_TIME + 1)
    one = witnessed(TEXT, 1)
    wrong = line(ORIGIN, 1, flipped(ed25519(ORIGIN).sign(TEXT.encode())))
    return {
        "of another log": (signed(elsewhere), policy(), "ORIGIN"),
        "not signed with ML-DSA-44": (f"{TEXT}\n{first}", policy(), "UNSIGNED"),
        "not signed with Ed25519": (f"{TEXT}\n{second}", policy(), "UNSIGNED"),
        "cosigned, and not signed by the log": (f"{TEXT}\n{''.join(witnessed(TEXT, 3))}", quorum, "UNSIGNED"),
        "one bit of the Ed25519 signature": (f"{TEXT}\n{wrong}{second}", policy(), "SIGNATURE"),
        "another root": (NOTE.replace(TEXT, other), policy(), "SIGNATURE"),
        "another size": (NOTE.replace(TEXT, larger), policy(), "SIGNATURE"),
        "the ML-DSA-44 signature of another root": (
            f"{TEXT}\n{first}{subtree(ORIGIN, other, LOG_TIME)}",
            policy(),
            "SIGNATURE",
        ),
        "the ML-DSA-44 signature of a part of the tree": (
            f"{TEXT}\n{first}{part}",
            policy(),
            "SIGNATURE",
        ),
        "the ML-DSA-44 signature of another time": (
            f"{TEXT}\n{first}{late}",
            policy(),
            "SIGNATURE",
        ),
        "the ML-DSA-44 signature without a time": (f"{TEXT}\n{first}{subtree(ORIGIN, TEXT, 0)}", policy(), "SIGNATURE"),
        "a time of 2**63": (f"{TEXT}\n{first}{subtree(ORIGIN, TEXT, 2**63)}", policy(), "SIGNATURE"),
        "a signature that is too short": (f"{TEXT}\n{line(ORIGIN, 1, b'x' * 63)}{second}", policy(), "SIGNATURE"),
        "one of two witnesses": (signed(TEXT, *one), quorum, "QUORUM"),
        "a witness whose signature does not verify, beside a quorum": (
            three.replace(one[0], line(WITNESSES[0], 4, WITNESS_TIMES[0].to_bytes(8, "big") + b"x" * 64)),
            quorum,
            "SIGNATURE",
        ),
        "a witness that signed as a log": (
            signed(TEXT, witnessed(TEXT, 1)[0], plain(WITNESSES[2], TEXT)),
            quorum,
            "QUORUM",
        ),
        "a cosignature of another time": (
            signed(TEXT, line(WITNESSES[0], 4, (1).to_bytes(8, "big") + ed25519(WITNESSES[0]).sign(TEXT.encode()))),
            quorum,
            "SIGNATURE",
        ),
        "a cosignature of another log": (
            signed(TEXT, cosigned(WITNESSES[0], elsewhere, LOG_TIME)),
            quorum,
            "SIGNATURE",
        ),
        "only one key of the log is known": (NOTE, policy(log=LOG_KEYS[:1]), "KEY"),
        "the log is a witness of itself": (NOTE, policy(1, witnesses=["log, ML-DSA-44"]), "KEY"),
        "one witness twice": (three, policy(2, witnesses=["witness one", "witness one"]), "KEY"),
        "a quorum that cannot be met": (three, policy(4, witnesses=WITNESS_KEYS), "QUORUM"),
    }


def tiles() -> list[Vector]:
    """Return the vectors of tiles' paths."""
    good = {
        "tile/0/000": (0, 0, 256),
        "tile/0/x001/x234/067": (0, 1_234_067, 256),
        "tile/0/273.p/112": (0, 273, 112),
        "tile/1/x001/000.p/1": (1, 1_000, 1),
        "tile/63/000.p/255": (63, 0, 255),
    }
    bad = (
        "tile/0/0", "tile/0/1000", "tile/0/x000/001", "tile/0/001/001", "tile/0/x001", "tile/00/000", "tile/64/000",
        "tile/-1/000",
        "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p/1/", "/tile/0/000",
        "tile/0/000 ",
        "tile/0/x999/x999/x999/x999/x999/x999/999", "tile/entries/000", "tile/0/\u0661\u0661\u0661", "tile/0/000\n", "",
    )  # fmt: skip
    return [
        {"name": path, "path": path, "expected": {"level": level, "index": index, "width": width}}
        for path, (level, index, width) in good.items()
    ] + [{"name": f"bad: {path}", "path": path, "expected": {"fault": "FORM"}} for path in bad]
