"""Tell a lie, and assert what holds whatever m8 says."""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from typing import Any

from monoskope.errors import Code, Error
from monoskope.uri import SecretUri
from tests.lies.lie import Lie
from tests.lies.questions import QUESTIONS
from tests.lies.rig import Rig
from tests.lies.scene import Scene, scene
from tests.lies.walks import KEPT, NEW, WALKS, check_truth

SETTLED_S = 5.0
ASKED = {**WALKS, **QUESTIONS}


async def tell(rig: Rig, lie: Lie, purpose: str, *, door: str) -> None:
    """Tell one lie while alice asks for one thing, and assert the four promises."""
    async with scene(rig, purpose, patience_s=lie.patience_s) as found:
        before = found.one.engine.there(found.one.path)
        lie.tell(found)
        result: Any = None
        error: Error | None = None
        try:
            async with rig.client(rig.servers[door]) as client:
                result = await ASKED[purpose](client, found.one)
        except Error as caught:
            error = caught
        for act in found.afterwards:
            await act()
        rig.wire.honest()
        if lie.settles:
            await settled(found)
        said = f"{error.code.value}: {error.message}\n{error.fix}" if error is not None else repr(result)
        check_promises(found, said)
        if error is None and purpose in WALKS:
            check_truth(purpose, found.one, result)
        elif error is not None and error.code is not Code.OUTCOME_UNKNOWN and lie.done is None:
            assert found.one.engine.there(found.one.path) == before, f"done, and not told: {said}"
        if lie.done is not None:
            assert any(engine.changes for engine in rig.engines.values()) is lie.done, said
        assert (error.code if error is not None else None) is lie.code, said
        if os.environ.get("SAID"):
            with open(os.environ["SAID"], "a") as f: f.write(f"{lie.id} | {purpose} | {said!r}\n")
        assert re.search(lie.says, said, re.DOTALL), said


def check_promises(found: Scene, said: str) -> None:
    """Assert that no value is shown, and that all that changed was signed for."""
    for value in (found.one.value, *_values(found)):
        assert found.wire.saw(value) == 0, "m8 saw a value"
        assert value.decode() not in said
    signed = Counter(_signed_places(found))
    for store, engine in found.rig.engines.items():
        changed = Counter((store, path) for path in engine.changes)
        assert changed <= signed, f"changed without a signature: {changed - signed}"
    now = found.one.engine.now_at(found.one.path)
    if found.one.engine.changes and found.purpose in {"put", "patch"}:
        assert now is not None
        assert now[NEW] == found.one.value, "upstream is what alice did not put"


def _values(found: Scene) -> list[bytes]:
    now = found.one.engine.now_at(found.one.path) or {}
    return [value for key, value in now.items() if key != KEPT]


def _signed_places(found: Scene) -> list[tuple[str, tuple[str, ...]]]:
    places = []
    for grant in found.rig.signer.signed:
        request = grant.request
        for uri in (request.uri, request.destination):
            if isinstance(uri, SecretUri):
                places.append((uri.store, uri.path))
    return places


async def settled(found: Scene) -> None:
    """Wait until reactors have done what they were asked for: what they say of it has come by."""
    sent = [one for one in found.wire.called if one.name == "RequestUploadSecret"]
    for request_id in {call.request_id for call in sent}:
        view = await found.rig.m8.alice.upload(request_id)
        if view.version >= 3:
            async with asyncio.timeout(SETTLED_S):
                await found.rig.m8.ended(request_id)
