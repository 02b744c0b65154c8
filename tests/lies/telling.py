"""Tell a lie, and assert what holds whatever m8 says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections import Counter
from typing import Any

from monoskope.api.gateway.v1 import commands_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code, Error
from monoskope.exit_codes import BY_CODE, ExitCode
from monoskope.uri import SecretUri
from tests.lies import commands
from tests.lies.catalogue import plan
from tests.lies.lie import Lie, Step
from tests.lies.rig import Rig
from tests.lies.scene import Scene, scene
from tests.lies.walks import KEPT, NEW, QUESTIONS, WALKS, check_truth

SETTLED_S = 60.0
SLOW_S = 90.0
"""How long all of it may take."""
ASKED = {**WALKS, **QUESTIONS}


async def tell_as_planned(rig: Rig, lie: Lie) -> None:
    """Tell a lie for the purposes that the catalogue plans, with LIES=all for each of its own."""
    for purpose in plan(lie, every=os.environ.get("LIES") == "all"):
        try:
            await tell(rig, lie, purpose)
        except AssertionError as error:
            error.add_note(purpose)
            raise


async def tell(rig: Rig, lie: Lie, purpose: str) -> str:
    """Tell one lie while alice asks for one thing, assert the four promises, and return what she was told."""
    if lie.step is Step.LOG:
        await rig.grow()
    async with asyncio.timeout(SLOW_S), scene(rig, purpose) as found:
        before = found.one.engine.there(found.one.path)
        if lie.step is Step.LOG:
            await rig.sign()
        servers = ",".join(rig.servers) if lie.both_servers else rig.servers[0]
        code, result, said = await _asked_until_attached(found, lie, servers, purpose)
        for act in found.afterwards:
            await act()
        assert not rig.wire.is_untold, "the lie was not told"
        rig.wire.honest()
        if lie.settles:
            await settled(found)
        elif lie.done:
            await done(found)
        check_promises(found, said)
        if code is Code.NOT_AUTHORIZED and lie.step in {Step.SENDING, Step.DELIVERY}:
            await check_not_acted(found)
        if code is None and purpose in WALKS:
            check_truth(purpose, found.one, result)
        elif code not in {None, Code.OUTCOME_UNKNOWN} and lie.done is None:
            assert found.one.engine.there(found.one.path) == before, f"done, and not told: {said}"
        check_said(found, lie, code, said)
        return said


async def _asked_until_attached(found: Scene, lie: Lie, servers: str, purpose: str) -> tuple[Code | None, Any, str]:
    """Tell the lie, and ask; again where the reactor was away, to which a lie was told at its login."""
    logins = found.rig.m8.count("Attached")
    lie.tell(found)
    over = asyncio.create_task(_patience_over(found)) if lie.silent else None
    answer = await asked(found, servers, purpose)
    if over is not None:
        over.cancel()
    for login in (1, 2):
        if lie.step is Step.LOGIN and answer[0] is Code.UNAVAILABLE is not lie.code:
            await found.rig.m8.attached(logins + login)
            answer = await asked(found, servers, purpose)
    return answer


async def _patience_over(found: Scene) -> None:
    """Let the client wait no longer once it was lied to: how long all takes before that depends on the machine."""
    await found.wire.until(lambda: not found.wire.is_untold)
    found.rig.patience.is_over(found.one.patience_s)


async def asked(found: Scene, servers: str, purpose: str) -> tuple[Code | None, Any, str]:
    """Ask as alice. Return the code of the failure, None for success; the result; and all that she was told."""
    if purpose in commands.COMMANDS:
        ended = await commands.run(found.rig, servers, purpose, found.one)
        code = next((code for code, exit_code in BY_CODE.items() if exit_code == ended.code), None)
        assert code is not None or ended.code in {ExitCode.OK, ExitCode.DIFFERENT}, repr(ended)
        return code, ended, repr(ended)
    try:
        async with found.rig.client(servers) as client:
            result = await ASKED[purpose](client, found.one)
    except Error as error:
        return error.code, None, f"{error.code.value}: {error.message}\n{error.fix}"
    return None, result, "\n".join([repr(result), *(f"notice: {one}" for one in found.rig.told)])


def check_promises(found: Scene, said: str) -> None:
    """Assert that no value is shown, that all that changed was signed for, and that what is sent again is the same."""
    sent = {(one.request_id, one.content) for one in found.wire.called if one.name == "RequestUploadSecret"}
    assert len({request_id for request_id, _ in sent}) == len(sent), "other bytes under the id of a request"
    now = found.one.engine.now_at(found.one.path) or {}
    for value in {found.one.value, *(value for key, value in now.items() if key != KEPT)}:
        assert found.wire.saw(value) == 0, "m8 saw a value"
        assert value.decode() not in said
    signed = Counter(_signed_places(found))
    for store, engine in found.rig.engines.items():
        changed = Counter((store, path) for path in engine.changes)
        assert changed <= signed, f"changed without a signature: {changed - signed}"
    if found.one.engine.changes and found.purpose in {"put", "patch"}:
        assert now[NEW] == found.one.value, "upstream is what alice did not put"


LOOKS = {"check", "read_version", "deleted_version"}
"""What a reactor looks at when it makes a key."""


async def check_not_acted(found: Scene) -> None:
    """Assert that a reactor that says NOT_AUTHORIZED looked at nothing more, announced nothing and told nothing."""
    assert set(found.one.engine.calls_at[found.one.path]) <= LOOKS
    sent = {one.request_id for one in found.wire.called if one.name == "RequestUploadSecret"}
    for request_id in sent:
        assert "SecretUploadStarted" not in await found.rig.m8.kinds(request_id)
        receipt = upload_pb2.Receipt.FromString((await found.rig.m8.alice.upload(request_id)).receipt.content)
        assert not any((receipt.fingerprint, receipt.values, receipt.differences, receipt.listed.names, receipt.signer))


def check_said(found: Scene, lie: Lie, code: Code | None, said: str) -> None:
    """Assert that the victim says what the catalogue says."""
    if code is Code.OUTCOME_UNKNOWN and lie.step in {Step.END, Step.COPIES}:
        uri = found.one.destination if lie.step is Step.COPIES else found.uri
        asked_for = [call for call in found.wire.called if call.name == "RequestSecretUploadKey"]
        attempts = {call.request_id for call in asked_for if call.request is not None and call.request.uri == uri}
        assert len(attempts) == 1, "a new attempt, although no store signed that the first one failed"
    if lie.done is not None:
        assert is_done(found) is lie.done, said
    assert code is lie.code, said
    assert re.search(lie.says, said, re.DOTALL), said


def _signed_places(found: Scene) -> list[tuple[str, tuple[str, ...]]]:
    """Where alice's signatures of this scene let something be changed: once for each."""
    requests = {grant.request.request_id: grant.request for grant in found.rig.signer.signed}
    places = [uri for request in requests.values() for uri in (request.uri, request.destination)]
    for call in found.wire.called:
        message = call.message
        if not isinstance(message, commands_pb2.RequestUploadSecretRequest) or not message.request_signature:
            continue
        if call.request is not None and call.request_id not in requests and call.request.uri.startswith("memory://"):
            requests[call.request_id] = None  # type: ignore[assignment]
            places += [SecretUri.parse(uri) for uri in (call.request.uri, call.request.destination) if uri]
    return [(uri.store, uri.path) for uri in places if uri is not None]


def is_done(found: Scene) -> bool:
    return any(engine.changes for engine in found.rig.engines.values())


async def done(found: Scene) -> None:
    """Wait until something changed upstream: a client in a hurry may have gone before its reactor came to it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLED_S):
            while not is_done(found):
                await asyncio.sleep(0.01)


async def settled(found: Scene) -> None:
    """Wait until reactors have done what they were asked for: what they say of it has come by."""
    sent = [one for one in found.wire.called if one.name == "RequestUploadSecret"]
    for request_id in {call.request_id for call in sent}:
        view = await found.rig.m8.alice.upload(request_id)
        if view.version >= 3:
            async with asyncio.timeout(SETTLED_S):
                await found.rig.m8.ended(request_id)
