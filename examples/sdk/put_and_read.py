"""Put a secret, and read what m8 knows of it: python put_and_read.py vault://team-a/db."""

import asyncio
import secrets
import sys

from monoskope.client import Client


async def main(uri: str) -> None:
    """Put a new password at `uri`."""
    password = secrets.token_urlsafe(24).encode()
    async with Client() as client:
        put = await client.put_secret(uri, {"password": password}, labels={"owner": "examples"})
        print(f"{put.uri}: {put.outcome} as version {put.upstream_version}, {put.hash}")

        secret = await client.get_secret(uri)
        assert secret.hash == put.hash, "somebody has put another one meanwhile"
        print(f"changed by {secret.subject} at {secret.changed_at:%Y-%m-%d %H:%M} UTC, proven: {secret.proven}")

        async for version in client.list_secret_versions(uri):
            print(f"  {version.outcome} {version.upstream_version} by {version.subject}, request {version.request_id}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
