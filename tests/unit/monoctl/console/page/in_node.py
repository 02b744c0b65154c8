"""The page's own script in Node, whose WebCrypto and fetch are those of browsers: without the parts that are drawn."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from monoskope.testing.parts import needed

ROOT = Path(__file__).resolve().parents[5]
_ESBUILD = ROOT / "console" / "node_modules" / ".bin" / "esbuild"
_ENTRY = "".join(f'export * from "./{name}";' for name in ("call", "failures", "sealed"))


def bundled(folder: Path) -> Path:
    """Bundle console/src/api. Without Node or the packages of console, tests are skipped, but fail in CI."""
    return _bundle(folder / "api.mjs", "api", _ENTRY)


def evaluated(folder: Path, names: Mapping[str, str], expression: str) -> Any:
    """Return what an expression of the page's functions is: `names` says which file has which of them."""
    imports = "".join(f'import {{ {names[file]} }} from "./{file}";' for file in names)
    made = _bundle(folder / "functions.mjs", ".", f"{imports} process.stdout.write(JSON.stringify({expression}));")
    return json.loads(subprocess.run(["node", str(made)], capture_output=True, check=True, timeout=60).stdout)


def _bundle(made: Path, below: str, entry: str) -> Path:
    needed("node", "nodejs")
    if not _ESBUILD.exists():
        pytest.skip("the packages of console are not installed: run `npm ci --ignore-scripts` there")
    words = [str(_ESBUILD), "--bundle", "--format=esm", f"--outfile={made}", "--log-level=warning", "--loader=ts"]
    words += ["--jsx=automatic", "--jsx-import-source=preact"]
    subprocess.run(words, cwd=ROOT / "console" / "src" / below, input=entry.encode(), check=True, timeout=60)
    return made


class NodePage:
    """A page in a Node process, which does one thing after the other and says what it sees."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: list[dict[str, Any]] = []
        """What it said of its own accord and nobody has waited for."""

    async def do(self, what: str, **more: object) -> dict[str, Any]:
        """Have it do something, and return its answer, failure or defect."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **more}).encode() + b"\n")
        return await self._next(lambda said: bool({"answer", "failure", "defect"} & said.keys() - {"liveEnded"}))

    async def hears(self, wanted: Mapping[str, object]) -> None:
        """Wait until it has said exactly that."""
        if wanted in self.said:
            self.said.remove(dict(wanted))
        else:
            await self._next(lambda said: said == wanted)

    async def _next(self, is_it: Any) -> dict[str, Any]:
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self._process.stdout.readline():
                said: dict[str, Any] = json.loads(line)
                if is_it(said):
                    return said
                self.said.append(said)
        raise AssertionError(f"the page has ended after {self.said}")


@asynccontextmanager
async def page_in_node(bundle: Path, address: str) -> AsyncIterator[NodePage]:
    """Load the page at an address with a token; it does nothing by itself."""
    words = ["node", str(ROOT / "tests" / "node" / "console_page.js"), str(bundle), address]
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield NodePage(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
