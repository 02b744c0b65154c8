"""A program on the client SDK, as its users write them: it puts what it is told, and keeps nothing of it.

Each line of its input names, in JSON, a file of values for each of several secrets. It answers each line with one.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from monoskope.client import Client, SyncClient
from monoskope.client.settings import ClientSettings, load_settings
from monoskope.errors import Error


def _told(line: str) -> Mapping[str, str]:
    """Return the folder of the values by the URI of the secret."""
    return msgspec.json.decode(line, type=dict[str, str])


def _values(folder: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


async def _put(client: Client, uri: str, folder: str) -> str:
    try:
        return str((await client.put_secret(uri, _values(folder))).outcome)
    except Error as error:
        return error.code.value


async def _puts(settings: ClientSettings) -> None:
    async with Client(settings) as client:
        while line := await asyncio.to_thread(sys.stdin.readline):
            ends = await asyncio.gather(*(_put(client, uri, folder) for uri, folder in _told(line).items()))
            print(*ends, flush=True)


def _put_in_turn(settings: ClientSettings) -> None:
    with SyncClient(settings) as client:
        for line in sys.stdin:
            ends = []
            for uri, folder in _told(line).items():
                try:
                    ends.append(str(client.put_secret(uri, _values(folder)).outcome))
                except Error as error:
                    ends.append(error.code.value)
            print(*ends, flush=True)


def main(kind: str, config: str, known_stores: str, home: str) -> None:
    settings = load_settings(config=Path(config), known_stores=Path(known_stores), environ={"HOME": home})
    if kind == "asynchronous":
        asyncio.run(_puts(settings))
    else:
        _put_in_turn(settings)


if __name__ == "__main__":
    main(*sys.argv[2:])
