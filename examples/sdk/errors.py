"""Tell failures apart: python errors.py vault://team-a/db."""

import sys
import time

from monoskope.client import Expect, PutResult, SyncClient
from monoskope.errors import (
    ConflictError,
    Error,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    TimedOutError,
    UnavailableError,
    UsageError,
)

TRIES = 3


def put_once(client: SyncClient, uri: str, values: dict[str, bytes]) -> PutResult | None:
    """Put a secret that must not be there yet. Returns None if it is."""
    for left in reversed(range(TRIES)):
        try:
            return client.put_secret(uri, values, expect=Expect.ABSENT)
        except ConflictError:
            return None
        except OutcomeUnknownError as error:
            # It may have been written: look before it is tried again. The value is sealed for this, too.
            print(f"not known: {client.get_upload(error.request_id, wait=True).state}, {error.message}")
            if client.compare_secret(uri, values).equal:
                return None
            raise
        except (UnavailableError, TimedOutError) as error:
            # Nothing was written: it may be tried again.
            if not left:
                raise
            print(f"{error.code.value}, {left} tries left: {error.message}")
            time.sleep(1)
    return None


def main(uri: str) -> None:
    """Show what each kind of failure looks like."""
    with SyncClient() as client:
        first = put_once(client, uri, {"password": b"correct horse battery staple"})
        print(f"first: {'put' if first else 'there already'}")
        again = put_once(client, uri, {"password": b"another one"})
        print(f"again: {'put' if again else 'there already'}")

        try:
            client.put_secret("no secret URI", {"password": b"never sent"})
        except UsageError as error:
            print(f"{error.code.value}: {error.message}")
        try:
            client.get_secret(f"{uri}-of-nobody")
        except NotFoundError as error:
            print(f"{error.code.value}: {error.message}")
        try:
            client.put_secret("nowhere://app/db", {"password": b"never sent"})
        except (NotFoundError, RefusedError) as error:
            print(f"{error.code.value}: {error.message}")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Error as error:
        # Every failure is one of these, with a stable code and advice.
        sys.exit(f"{error.code.value}: {error.message} {error.fix}")
