"""`python -m tools.message_vectors` writes tests/vectors-messages.json; with `--check` it is 1 on a difference."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tools.message_vectors import grants, receipt_parts, receipts, requests, secrets, signed

TARGET = Path(__file__).resolve().parents[2] / "tests" / "vectors-messages.json"
ABOUT = [
    "Vectors of every message of docs/protocol.md, with which another implementation checks itself; that page says",
    "how to read them (Vectors). Bytes are in hex, `values` in base64, `says` is protobuf's JSON. Each has at most",
    "one fault: `expected.fault` names its class, and of MALFORMED `expected.field` the field as the .proto",
    "file names it, `content` for a message as a whole. `make message-vectors` makes them, apart from our parsers.",
]


def made(known: dict[str, Any]) -> dict[str, Any]:
    """Return the whole file. Of what is `known`, sealed bytes that open as they must are kept."""
    return {
        "about": ABOUT,
        "uris": [*requests.uris()],
        "requests": [*requests.requests()],
        "grants": [*grants.grants()],
        "hellos": [*grants.hellos()],
        "steps": grants.steps(),
        "rotations": [*grants.rotations()],
        "plaintexts": [*secrets.plaintexts()],
        "unsealable": [*secrets.unsealable()],
        "sealed": [*secrets.sealed(known.get("sealed", []))],
        "public_keys": [*secrets.public_keys()],
        "hashes": [*secrets.hashes()],
        "signed_requests": [*signed.signed_requests()],
        "receipt_grants": receipt_parts.grants(),
        "receipts": [*receipts.receipts()],
    }


def text_of(content: dict[str, Any]) -> str:
    """Return the file: a line for each vector."""
    parts = []
    for name, section in content.items():
        if isinstance(section, dict):
            inner = ",\n".join(f"  {json.dumps(key)}: {json.dumps(one)}" for key, one in section.items())
            parts.append(f' "{name}": {{\n{inner}\n }}')
        else:
            parts.append(f' "{name}": [\n' + ",\n".join(f"  {json.dumps(one)}" for one in section) + "\n ]")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> int:
    """Write or check."""
    there = TARGET.read_text(encoding="utf-8") if TARGET.exists() else "{}"
    content = made(json.loads(there))
    if "--check" in sys.argv:
        if text_of(content) == there:
            print("tests/vectors-messages.json is what the tool makes.")
            return 0
        print(
            "tests/vectors-messages.json is not what the tool makes. Run `make message-vectors` and commit the result."
        )
        return 1
    TARGET.write_text(text_of(content), encoding="utf-8")
    print(f"{TARGET.name}: {sum(map(len, content.values())) - len(ABOUT)} vectors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
