"""The same without an event loop: python put_and_read_sync.py vault://team-a/db."""

import secrets
import sys

from monoskope.client import SyncClient


def main(uri: str) -> None:
    """Put a new password at `uri`."""
    password = secrets.token_urlsafe(24).encode()
    with SyncClient() as client:
        put = client.put_secret(uri, {"password": password})
        print(f"{put.uri}: {put.outcome} as version {put.upstream_version}, {put.hash}")
        print(f"proven: {client.get_secret(uri).proven}")
        print(f"compared: {client.compare_secret(uri, {'password': password}).equal}")

        for store in client.stores.list():
            print(f"store {store.name}: {store.type}, engine {store.engine}")


if __name__ == "__main__":
    main(sys.argv[1])
