"""Archives in an S3-compatible store: written in parts (multipart upload), read as one stream.

Until the last part has arrived and the upload is completed, there is no object; an upload that fails is aborted, so
that nothing of it is kept. The SDK tries each request a few times. Calls come from a thread; the SDK runs on the event
loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import botocore.exceptions as sdk
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from monoskope.archive.errors import damaged, exists
from monoskope.errors import Error, NotFoundError, RefusedError, UnavailableError, UsageError

T = TypeVar("T")

PART = 8_388_608
"""Bytes of the first parts. S3 takes parts of 5 MiB to 5 GiB, and 10,000 of them."""
_GROWS_AFTER = 2_000
"""After so many parts each part is twice as large: 8 MiB first, 128 MiB at the end; some 500 GB in all."""
_TRIES = 5

_PLACE = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>[^\x00-\x1f\x7f]{1,1000})")


@dataclass(frozen=True, slots=True)
class Place:
    """One object.

    Attributes:
        bucket: Its bucket.
        key: Its name there.
        endpoint_url: Where the store is, "" for AWS.
    """

    bucket: str
    key: str
    endpoint_url: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def parse_place(text: str, endpoint_url: str) -> Place:
    """Return the object that `s3://bucket/key` names. Raises `UsageError`."""
    match = _PLACE.fullmatch(text)
    if match is None:
        raise UsageError("the place is not of the form s3://bucket/key.", fix="Write for example s3://backups/m8/1.age")
    if endpoint_url:
        try:
            parts = urlsplit(endpoint_url)
        except ValueError:
            raise UsageError("--endpoint-url is not a URL.", fix="Write for example https://s3.example.org .") from None
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_local(parts.hostname or "")):
            raise UsageError("--endpoint-url is not https://…", fix="Use TLS; http is for this machine alone.")
        if parts.username or parts.password:
            raise UsageError("--endpoint-url holds a credential.", fix="Give credentials as the AWS SDK takes them.")
    return Place(match["bucket"], match["key"], endpoint_url)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Client:
    """The SDK's client, called from a thread."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._loop = asyncio.get_running_loop()
        self._stack = AsyncExitStack()
        self._client: Any = None

    def begin(self) -> None:
        self.wait(self._begin())

    async def _begin(self) -> None:
        config = AioConfig(
            retries={"mode": "standard", "total_max_attempts": _TRIES}, connect_timeout=5, read_timeout=60
        )
        # Without a region the SDK refuses to sign; S3-compatible stores ignore it.
        session = get_session()
        region = session.get_config_variable("region") or "us-east-1"
        made = session.create_client(
            "s3", region_name=region, endpoint_url=self.place.endpoint_url or None, config=config
        )
        self._client = await self._stack.enter_async_context(made)

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - as the operation has them
        return self.wait(self._call(operation, parameters))

    async def _call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        found = await getattr(self._client, operation)(Bucket=self.place.bucket, Key=self.place.key, **parameters)
        assert isinstance(found, dict)
        return found

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the event loop. Raises `Error`."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except sdk.ClientError as error:
            raise refused(error, self.place) from None
        except (sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.ProfileNotFound):
            raise RefusedError(
                f"{self.place} needs credentials, and the AWS SDK finds none.",
                fix="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile.",
            ) from None
        except (sdk.BotoCoreError, sdk.HTTPClientError, aiohttp.ClientError, OSError, TimeoutError):
            raise UnavailableError(
                f"{self.place} cannot be reached, or the connection broke {_TRIES} times.",
                fix="Check the network and --endpoint-url, then try again.",
            ) from None

    def close(self) -> None:
        with contextlib.suppress(Error):
            self.wait(self._stack.aclose())


def refused(error: sdk.ClientError, place: Place) -> Error:
    """Return the error that explains what the store answered. Its own text is not shown."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        return NotFoundError(f"there is no bucket {place.bucket}.", fix="Check its name and --endpoint-url.")
    if code in {"NoSuchKey", "404", "NotFound"}:
        return NotFoundError(f"{place} does not exist.", fix="Check its name and --endpoint-url.")
    if code == "PreconditionFailed":
        return exists(str(place))
    if status in {401, 403}:
        return RefusedError(
            f"{place}: the store refuses these credentials (HTTP {status}).",
            fix="Allow them s3:PutObject and s3:AbortMultipartUpload there, or s3:GetObject to restore.",
        )
    return UnavailableError(f"{place}: the store fails (HTTP {status}).", fix="Try again later.")


class S3Target:
    """A new object."""

    def __init__(self, place: Place) -> None:
        self._client = _Client(place)
        self._upload = ""
        self._parts: list[dict[str, Any]] = []
        self._piece = bytearray()

    def begin(self) -> None:
        """Begin an upload. Raises `Error`."""
        self._client.begin()
        try:
            self._client.call("head_object")
        except NotFoundError:
            pass
        else:
            raise exists(str(self._client.place))
        self._upload = self._client.call("create_multipart_upload")["UploadId"]

    def write(self, piece: bytes, /) -> int:
        """Take all of `piece`, and send a part when there is enough. Raises `Error`."""
        self._piece += piece
        if len(self._piece) >= PART << min(len(self._parts) // _GROWS_AFTER, 4):
            self._send()
        return len(piece)

    def flush(self) -> None:
        """Parts are sent when they are large enough."""

    def _send(self) -> None:
        number = len(self._parts) + 1
        body = bytes(self._piece)
        self._piece.clear()
        done = self._client.call("upload_part", UploadId=self._upload, PartNumber=number, Body=body)
        self._parts.append({"ETag": done["ETag"], "PartNumber": number})

    def finish(self) -> None:
        """Send the last part and make the object of them. Raises `Error`."""
        if self._piece or not self._parts:
            self._send()
        parts = {"Parts": self._parts}
        self._client.call("complete_multipart_upload", UploadId=self._upload, MultipartUpload=parts, IfNoneMatch="*")
        self._client.close()

    def discard(self) -> None:
        """Abort the upload: the store drops its parts."""
        if self._upload:
            with contextlib.suppress(Error):
                self._client.call("abort_multipart_upload", UploadId=self._upload)
        self._client.close()


class S3Source:
    """An object to read from. A connection that breaks is opened again where it broke."""

    def __init__(self, place: Place) -> None:
        self._client = _Client(place)
        self._body: Any = None
        self._tag = ""
        self._size = 0
        self._at = 0

    def begin(self) -> None:
        """Open it. Raises `Error`."""
        self._client.begin()
        self._open()

    def _open(self) -> None:
        self._let_go()
        where = {"Range": f"bytes={self._at}-", "IfMatch": self._tag} if self._tag else {}
        found = self._client.call("get_object", **where)
        self._body = found["Body"]
        if not self._tag:
            self._tag, self._size = found["ETag"], int(found["ContentLength"])

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, none at the end. Raises `Error`."""
        if self._at >= self._size:
            return b""
        for tries_left in reversed(range(_TRIES)):
            try:
                piece = bytes(self._client.wait(self._body.read(size)))
            except UnavailableError:
                if not tries_left:
                    raise
                piece = b""
            if piece:
                self._at += len(piece)
                return piece
            self._open()
        raise damaged("the store sends less than it says it has")

    def _let_go(self) -> None:
        async def work() -> None:  # on the event loop, to which the connection belongs
            self._body.close()

        if self._body is not None:
            with contextlib.suppress(Error):
                self._client.wait(work())
            self._body = None

    def close(self) -> None:
        """Close the connection."""
        self._let_go()
        self._client.close()
