"""A user who asks for thousands of keys at once and uses none: `python -m bench.flood HOME SERVER REQUESTS`."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path

from bench.waiting import new_request
from monoskope.api.gateway.v1 import commands_pb2
from monoskope.client import load_settings
from monoskope.client.connection import Connection
from monoskope.client.http import methods
from monoskope.errors import Error

_WAIT_S = 600.0


async def flood(home: Path, server: str, requests: int) -> Counter[str]:
    """Send all requests at once, say so, and return how often each answer came."""
    config = home / ".config" / "monoskope" / "config.toml"
    settings = load_settings(
        server=server, config=config, token_file=config.with_name("token"), environ={"HOME": str(home)}
    )
    connection = Connection(settings.server, settings.ca_file, settings.token)
    answers: Counter[str] = Counter()

    async def one(number: int) -> None:
        ask = commands_pb2.RequestSecretUploadKeyRequest(request=new_request(f"bench/flood-{number}").content)
        try:
            await connection.call(methods.REQUEST_SECRET_UPLOAD_KEY, ask, _WAIT_S)
            answers["recorded"] += 1
        except Error as error:
            answers[error.code.value] += 1

    asking = asyncio.gather(*(one(number) for number in range(requests)))
    await asyncio.sleep(0)
    print("flooding", flush=True)
    await asking
    return answers


if __name__ == "__main__":
    print(asyncio.run(flood(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
