"""When a first look asks the engine; what it found is the concern of the tests of puts and keys."""

from __future__ import annotations

import asyncio

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import SUITE_1
from monoskope.protocol.request import Request, make_request
from monoskope.reactor.upstream.content import Content
from monoskope.reactor.upstream.first_look import FirstLooks
from monoskope.uri import SecretUri


async def test_the_grant_goes_out_before_the_engine_is_asked() -> None:
    """The client waits for the grant. The look comes right after it: what is read later is newer than the user knew."""
    order: list[str] = []
    outbox: asyncio.Queue[str] = asyncio.Queue()

    class Engine:
        async def present(self, _request: Request) -> Content:
            order.append("look")
            return Content("v1", None)

    async def writing() -> None:
        order.append(await outbox.get())

    writer = asyncio.create_task(writing())
    await asyncio.sleep(0)
    request = make_request(
        request_id=bytes(16),
        purpose=upload_pb2.PURPOSE_UPLOAD,
        uri=SecretUri.parse("vault://team-a/db"),
        expect=upload_pb2.EXPECT_ANY,
        suites=(SUITE_1,),
    )
    look = FirstLooks(Engine(), within_s=10.0).begin(request, "ada")
    outbox.put_nowait("grant")
    for _ in range(10):  # turns of the loop, without any time
        await asyncio.sleep(0)
    assert order == ["grant", "look"]
    assert look is not None
    assert (await look.found()).content.version == "v1"
    await writer
