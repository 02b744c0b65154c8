"""Follow what happens below a URI prefix, from the log's beginning: python follow_events.py vault://team-a 3."""

import asyncio
import sys

from monoskope.client import Client


async def main(prefix: str, count: int) -> None:
    """Print the first `count` events that happened or will happen."""
    async with Client() as client:
        position = 0
        async for event in client.log.events(prefix=prefix):
            print(f"{event.position} {event.recorded_at:%H:%M:%S} {event.type} {event.uri} by {event.actor}")
            position, count = event.position, count - 1
            if not count:
                return
        # If the connection breaks, watch again after the last position that came.
        async for event in client.log.watch_events(after=position, prefix=prefix):
            print(f"{event.position} {event.recorded_at:%H:%M:%S} {event.type} {event.uri} by {event.actor}")
            count -= 1
            if not count:
                return


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
