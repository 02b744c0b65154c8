"""Put many secrets, show how far it is, then verify all of them: python bulk.py vault://team-a/bulk 20."""

import asyncio
import secrets
import sys

from monoskope.client import Client, Progress, Stage
from monoskope.errors import Error


class Counter:
    """Counts the requests whose end a receipt proves."""

    def __init__(self, of: int) -> None:
        self.of = of
        self.ended = 0

    def __call__(self, progress: Progress) -> None:
        """Take note of a stage. Called in the event loop, so it must not wait."""
        if progress.stage is Stage.ENDED:
            self.ended += 1
            print(f"\r{self.ended} of {self.of}", end="", file=sys.stderr)


async def main(below: str, count: int) -> int:
    """Put `count` secrets below a URI. Returns how many failed."""
    uris = [f"{below}/{number}" for number in range(count)]
    async with Client(observe=Counter(of=2 * count)) as client:
        puts = [client.put_secret(uri, {"password": secrets.token_bytes(24)}) for uri in uris]
        done = await asyncio.gather(*puts, return_exceptions=True)
        written = [result.uri for result in done if not isinstance(result, BaseException)]

        # Each place in the list is a result or its error: one failure hides no other result.
        verified = await client.verify_secrets(written) if written else []
    print(file=sys.stderr)

    in_sync = sum(not isinstance(result, Error) and result.in_sync for result in verified)
    for uri, result in zip(uris, done, strict=True):
        if isinstance(result, Error):
            print(f"{uri}: {result.code.value}: {result}")
        elif isinstance(result, BaseException):
            raise result
    print(f"{len(written)} put, {in_sync} in sync")
    return count - in_sync


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(main(sys.argv[1], int(sys.argv[2]))) else 0)
