"""The page's sealed.ts and monoctl's sealed.py agree: Node, whose WebCrypto is that of browsers, runs both together."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from monoskope.monoctl.console.serving.sealed import Beginning, Channel, shown
from tests.support.console_page import a_token, from_text
from tests.support.operations import needed, not_here

ROOT = Path(__file__).resolve().parents[4]
ESBUILD = ROOT / "console" / "node_modules" / ".bin" / "esbuild"
NONCE = bytes(range(16))
BODIES = [("put", b""), ("put", b"\0\0\0\2{}" + bytes(range(256))), ("names", "é\u2028".encode() * 30_000)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needed("node", "nodejs")
    if not ESBUILD.exists():
        not_here("the packages of console are not installed: run `npm ci --ignore-scripts` there")
    made = tmp_path_factory.mktemp("page") / "sealed.mjs"
    source = ROOT / "console" / "src" / "api" / "sealed.ts"
    subprocess.run(
        [ESBUILD, source, "--bundle", "--format=esm", f"--outfile={made}", "--log-level=warning"], check=True
    )
    return made


def said(bundle: Path, token: bytes, key: bytes, answers: list[dict[str, Any]]) -> dict[str, Any]:
    given = {
        "token": shown(token),
        "key": shown(key),
        "bodies": [{"operation": operation, "body": shown(body)} for operation, body in BODIES],
        "answers": answers,
        "noTokens": ["", "x", shown(token)[:-1], shown(token) + "A", shown(token[:31]), "<script>"],
    }
    words = ["node", str(ROOT / "tests" / "node" / "sealed.js"), str(bundle)]
    done = subprocess.run(words, input=json.dumps(given), capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def answer(proof: str, **changed: Any) -> dict[str, Any]:
    return {
        "operation": "begin",
        "nonce": shown(NONCE),
        "status": 200,
        "body": shown(b'{"a":1}'),
        "proof": proof,
        **changed,
    }


def test_page_and_monoctl_make_the_same_keys_seal_for_one_another_and_believe_one_another(bundle: Path) -> None:
    token, key = a_token(), a_token()
    channel = Channel(token, key)
    of_session, of_begin = (
        channel.prove("begin", NONCE, 200, b'{"a":1}'),
        Beginning(token).prove(NONCE, 200, b'{"a":1}'),
    )
    wrong = [
        answer(of_session, operation="begi"),
        answer(of_session, nonce=shown(bytes(16))),
        answer(of_session, status=201),
        answer(of_session, body=shown(b'{"a":2}')),
        answer(of_session[:-1]),
        answer(""),
        answer("*"),
        answer(Channel(token, a_token()).prove("begin", NONCE, 200, b'{"a":1}')),
        answer(Beginning(a_token()).prove(NONCE, 200, b'{"a":1}')),
    ]

    found = said(bundle, token, key, [answer(of_session), answer(of_begin), *wrong])

    assert found["name"] == Beginning(token).name
    opened = [channel.open(name, from_text(one)) for (name, _), one in zip(BODIES, found["sealed"], strict=True)]
    assert opened == [body for _, body in BODIES]
    assert found["session"] == [True, False] + [False] * len(wrong)
    assert found["begin"] == [False, True] + [False] * len(wrong)
    assert all(found["noTokens"])
