"""Make everything that is published, below build/release (`make release`).

Ends with 0 if all of it is right, with 1 if something is not, and with 2 if a source of advisories did not answer and
`--advisories-unchecked` was not given.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from importlib import metadata
from pathlib import Path

from tools.release import advisories, built, materials, pinned, provenance

OUT = built.ROOT / "build" / "release"


def main() -> int:
    """Run the steps; stop at the first that fails."""
    parser = argparse.ArgumentParser(prog="make release", description="Make what is published, below build/release.")
    parser.add_argument(
        "--advisories-unchecked", action="store_true", help="go on where no source of advisories answers"
    )
    given = parser.parse_args()
    if changes := built.changed():
        return _failed(f"Not committed, so not in a release:\n{changes}")
    if troubles := pinned.unpinned():
        return _failed("\n".join(troubles))
    locks = len(pinned.python_lists()) + len(pinned.npm_locks())
    print(f"Pinned: every dependency of {locks} locks has one version and hashes.")
    looked = advisories.look()
    _tell(looked)
    if any(one.advisories for one in looked):
        return 1
    if any(one.unanswered for one in looked) and not given.advisories_unchecked:
        return 2
    return _make()


def _make() -> int:
    commit, seconds = built.commit()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    try:
        files = built.build_twice(OUT)
    except (built.NotReproducibleError, built.FailedError) as error:
        return _failed(str(error))
    print("Built twice, in folders, zones, languages and umasks that differ: the same bytes.")
    bill = OUT / "monoskope.cdx.json"
    bill.write_text(materials.bill_of_materials(built.ROOT, commit=commit, seconds=seconds), encoding="utf-8")
    version = metadata.version("monoskope")
    statements = provenance.write_statements(
        [*files, bill], built.ROOT, commit=commit, seconds=seconds, version=version
    )
    _check_statements(statements)
    sums = "".join(f"{provenance.sha256(path)}  {path.name}\n" for path in [*files, bill])
    (OUT / "SHA256SUMS").write_text(sums, encoding="utf-8")
    print(f"{sums}Commit {commit}. {len(statements)} statements wait for a maintainer's signature: docs/release.md.")
    return 0


def _check_statements(paths: list[Path]) -> None:
    """Read each statement with the library that signs them for PyPI."""
    from sigstore.dsse import Statement  # noqa: PLC0415 - needed here alone, and slow to load

    for path in paths:
        Statement(path.read_bytes())


def _tell(looked: list[advisories.Looked]) -> None:
    """Print what was found."""
    for one in looked:
        if one.unanswered:
            print(f"Advisories: NOT CHECKED for {one.lock}: {one.unanswered}", file=sys.stderr)
        for line in one.advisories:
            print(f"Advisories: {one.lock}: {line}", file=sys.stderr)
    answered = [one for one in looked if not one.unanswered]
    if answered:
        print(f"Advisories: asked about {len(answered)} of {len(looked)} locks.")


def _failed(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
