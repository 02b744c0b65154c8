"""What a maintainer signs of each file: in-toto statements, as PyPI's attestations want them (PEP 740).

Two for each: that it is published (`publish/v1`), and what it was built from (SLSA provenance v1).
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from tools.release.pinned import npm_locks, python_lists

STATEMENT = "https://in-toto.io/Statement/v1"
PUBLISH = "https://docs.pypi.org/attestations/publish/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
REPOSITORY = "git+https://github.com/finleap-connect/monoskope"
BUILD_TYPE = "https://github.com/finleap-connect/monoskope/blob/main/docs/release.md#how-it-is-built"


def write_statements(files: Iterable[Path], root: Path, *, commit: str, seconds: str, version: str) -> list[Path]:
    """Write both statements of each file beside it, and return their paths."""
    predicate = _provenance(root, commit=commit, seconds=seconds, version=version)
    written = []
    for path in files:
        for kind, content in ((PUBLISH, None), (PROVENANCE, predicate)):
            word = "publish" if kind == PUBLISH else "provenance"
            target = path.with_name(f"{path.name}.{word}.statement.json")
            target.write_text(_serialised(statement(path, kind, content)), encoding="utf-8")
            written.append(target)
    return written


def statement(path: Path, kind: str, predicate: dict[str, Any] | None) -> dict[str, Any]:
    """Return the in-toto statement of one kind about a file."""
    subject = {"name": path.name, "digest": {"sha256": sha256(path)}}
    return {"_type": STATEMENT, "subject": [subject], "predicateType": kind, "predicate": predicate}


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _provenance(root: Path, *, commit: str, seconds: str, version: str) -> dict[str, Any]:
    locks = [*python_lists(root), *npm_locks(root)]
    dependencies = [{"uri": f"{REPOSITORY}@{commit}", "digest": {"gitCommit": commit}}]
    dependencies += [{"name": str(path.relative_to(root)), "digest": {"sha256": sha256(path)}} for path in locks]
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"source": REPOSITORY, "version": version},
            "internalParameters": {
                "SOURCE_DATE_EPOCH": seconds,
                "python": platform.python_version(),
                "hatchling": metadata.version("hatchling"),
            },
            "resolvedDependencies": dependencies,
        },
        # A statement without a builder of its own says who made the build by who signs it.
        "runDetails": {"builder": {"id": BUILD_TYPE}},
    }


def _serialised(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"
