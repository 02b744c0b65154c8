"""Plaintexts that hold values and are not in the accepted form."""

from __future__ import annotations

SPOILT = ("space", "half", "list", "bytes", "base64", "order", "key")
"""What can be wrong."""


def spoilt(plaintext: bytes, how: str) -> bytes:
    """Return a plaintext of the same size that no reactor accepts; the same one for ""."""
    text = plaintext.rstrip(b" ")
    match how:
        case "space":
            text = text.replace(b'":"', b'": "')
        case "half":
            text = text[:-20]
        case "list":
            text = b"[" + text + b"]"
        case "bytes":
            text = text[:-20] + b"\xff" + text[-20:]
        case "base64":
            text = text[:-4] + b"*" + text[-4:]
        case "order":
            text = b'{"zzz":"",' + text[1:]
        case "key":
            text = text.replace(b'{"', b'{"..', 1)
        case _:
            return plaintext
    return text.ljust(len(plaintext), b" ")
