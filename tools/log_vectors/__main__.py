"""`python -m tools.log_vectors [--anew]` writes tests/vectors-log.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tools.log_vectors import notes, trees, uploads
from tools.log_vectors.made import KEYS, Vector

TARGET = Path(__file__).resolve().parents[2] / "tests" / "vectors-log.json"
ABOUT = [
    "Vectors of the witnessed log (docs/protocol.md, section 10). Each has one fault at most. Bytes are standard",
    "base64. `expected` is what is read, or the class of the fault: FORM, SIZE, BASE64, NUMBER, NAME, KEY, DUPLICATE",
    "and ROOT of what is malformed, the other classes of what does not hold. `keys` are the verifier keys that a",
    "`policy` names. Entry number n of `roots`, `inclusions` and `consistencies` is the SHA-256 of n in decimal. The",
    "proofs of `proof_files` are read and not verified. `pins` of an upload say which identity a store is pinned to;",
    "`by_s` is the time by which as many witnesses as the quorum needs had cosigned. Made by `python -m",
    "tools.log_vectors`, which shares no code with the verifier but the classes of the messages.",
]


def main() -> None:
    """Write the file. Without `--anew`, vectors that are there stay as they are, by their names."""
    made = {
        "vkeys": notes.vkeys(),
        "notes": notes.notes(),
        "checkpoints": notes.checkpoints(),
        "tiles": notes.tiles(),
        "roots": trees.roots(),
        "inclusions": trees.inclusions(),
        "consistencies": trees.consistencies(),
        "proof_files": uploads.files(),
        "uploads": uploads.uploads(),
    }
    known = {} if "--anew" in sys.argv or not TARGET.exists() else json.loads(TARGET.read_text())
    content = {"about": ABOUT, "keys": KEYS} | {
        group: _keeping(known.get(group, []), vectors) for group, vectors in made.items()
    }
    TARGET.write_text(json.dumps(content, indent=1) + "\n")


def _keeping(known: list[Vector], made: list[Vector]) -> list[Vector]:
    names = [vector["name"] for vector in made]
    assert len(set(names)) == len(names), "each vector has a name of its own"
    kept = {vector["name"]: vector for vector in known}
    return [kept.get(vector["name"], vector) for vector in made]


if __name__ == "__main__":
    main()
