"""The TypeScript client as tests run it: bundled by esbuild out of `clients/typescript`, in Node or in a page."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from monoskope.testing.parts import needed

CLIENT = Path(__file__).resolve().parents[2] / "clients" / "typescript"
_FORMS = {
    "node": ("--platform=node", "--format=esm", "--target=node20", "--external:node:*"),
    "browser": ("--platform=browser", "--format=iife", "--global-name=door", "--target=es2022"),
}


def bundle(name: str, folder: Path, kind: Literal["node", "browser"] = "node") -> Path:
    """Bundle a file below `clients/typescript` into one in `folder`, and return it: `test/door.ts`."""
    needed("node", "nodejs")
    esbuild = CLIENT / "node_modules" / ".bin" / "esbuild"
    if not esbuild.exists():
        pytest.skip("the packages of the client are not installed: (cd clients/typescript && npm ci)")
    target = folder / f"{Path(name).stem}.{kind}.mjs"
    itself = f"--alias:@monoskope/client={CLIENT / 'src' / 'index.ts'}"
    words = ["--bundle", "--log-level=warning", itself, *_FORMS[kind], f"--outfile={target}"]
    subprocess.run([esbuild, CLIENT / name, *words], cwd=CLIENT, check=True, timeout=60)
    return target


def in_node(script: Path, *words: str, given: Mapping[str, str], ca_file: Path) -> dict[str, Any]:
    """Run a bundle with JSON on standard input, and return the JSON that it prints."""
    node = needed("node", "nodejs")
    done = subprocess.run(
        [node, "--no-warnings", script, *words],
        env={"NODE_EXTRA_CA_CERTS": str(ca_file)},
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
