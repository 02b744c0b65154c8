"""Requests to one AWS service through the AWS SDK, and what their failures mean. The only file that imports the SDK.

Credentials come from the SDK's own chain: environment, profile, web identity, container or instance role. When AWS
says that they have expired, nothing was done, so the chain is asked again and the request repeated once. No other
request is repeated, no redirect is followed, and TLS is always verified.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import get_session
from botocore import exceptions as sdk
from botocore.loaders import create_loader

from monoskope.stores.aws.config import AwsConfig
from monoskope.stores.aws.errors import EXPIRED, broken, failure, malformed, silent
from monoskope.stores.driver import DriverError, StoreRefusedError, StoreUnavailableError
from monoskope.value import Unshared

_CONNECTIONS = 32
_MODELS = create_loader()
"""Reads the SDK's descriptions of services, which takes most of the time of making a client, once."""
_NO_CREDENTIALS = (sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.ProfileNotFound, sdk.ConfigParseError)
_NO_ANSWER_TO_CREDENTIALS = (sdk.CredentialRetrievalError, sdk.TokenRetrievalError, sdk.MetadataRetrievalError)

# At the level DEBUG the SDK logs whole requests, values included. Turning DEBUG on for everything must not show them.
for _name in ("aiobotocore", "botocore"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class AwsAnswer(Unshared):
    """The service's answer: its fields, or an error code that the caller handles (`expected`)."""

    code: str = ""
    status: int = 200
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """May hold a secret: not shown."""

    def text(self, name: str) -> str:
        """Return a text field, "" if there is none."""
        found = self.body.get(name)
        return found if isinstance(found, str) else ""


class _NoRedirects:
    """An HTTP session that returns redirects: if it followed one, it would send the request's body there."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(self, method: str, **options: Any) -> aiohttp.ClientResponse:  # noqa: ANN401 - passed on
        return await self._session.request(method, allow_redirects=False, **options)


class _Http(AIOHTTPSession):  # type: ignore[misc] # the SDK has no types
    async def _get_session(self, proxy_url: str | None) -> _NoRedirects:
        return _NoRedirects(await super()._get_session(proxy_url))


class _Client:
    """An SDK client with the credentials that it was made with, closed after its last request."""

    def __init__(self, sdk_client: Any, stack: AsyncExitStack) -> None:  # noqa: ANN401 - the SDK has no types
        self.sdk_client = sdk_client
        self.close = stack.aclose
        self.users = 0


class AwsClient:
    """One service in one region. `start` it inside a running event loop, and `close` it."""

    def __init__(self, service: str, config: AwsConfig) -> None:
        self._service = service
        self._config = config
        self._client: _Client | None = None
        self._renewing = asyncio.Lock()

    async def start(self) -> None:
        """Make the SDK's client. Credentials are looked for at the first request.

        Raises:
            StoreRefusedError: the SDK's own settings are unusable, or point to an address without TLS.
        """
        self._client = await self._make()

    async def call(
        self,
        operation: str,
        *,
        expected: Collection[str] = (),
        writes: bool = False,
        **parameters: Any,  # noqa: ANN401 - as the operation has them
    ) -> AwsAnswer:
        """Send one request and return its answer.

        Args:
            operation: The SDK's name for it, e.g. "put_parameter".
            expected: Error codes that are an answer to the caller, and not raised.
            writes: Whether it could make a version current or take one away.
            parameters: Those of the operation.

        Raises:
            StoreRefusedError: AWS will not do this; nothing was done.
            StoreUnavailableError: no answer, or one that says to wait; with `writes`, nothing was done.
            UnknownOutcomeError: with `writes`, it may have reached AWS and no clear answer came back.
        """
        client, answer = await self._ask(operation, parameters, writes=writes)
        if answer.code in EXPIRED:
            await self._renew(client)
            _, answer = await self._ask(operation, parameters, writes=writes)
        if answer.code and answer.code not in expected:
            raise failure(answer.code, answer.status, writes=writes)
        return answer

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _ask(self, operation: str, parameters: Mapping[str, Any], *, writes: bool) -> tuple[_Client, AwsAnswer]:
        problem: DriverError
        async with self._using() as client:
            try:
                async with asyncio.timeout(self._config.timeout_s):
                    return client, AwsAnswer(body=await getattr(client.sdk_client, operation)(**parameters))
            except sdk.ClientError as error:
                response = error.response
                status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
                return client, AwsAnswer(str(response.get("Error", {}).get("Code") or status), status)
            except (sdk.BotoCoreError, sdk.HTTPClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
                problem = _problem(error, writes=writes)
        # Raised out here so that no error of the SDK, which knows the request, hangs on it.
        raise problem

    @asynccontextmanager
    async def _using(self) -> AsyncIterator[_Client]:
        client = self._client
        if client is None:
            raise StoreUnavailableError("the store is closed.")
        client.users += 1
        try:
            yield client
        finally:
            client.users -= 1
            if client is not self._client and not client.users:
                await client.close()

    async def _renew(self, expired: _Client) -> None:
        """Make a client with whatever credentials the chain has by now, once for all requests that wait for it."""
        async with self._renewing:
            if self._client is expired:
                self._client = await self._make()
                if not expired.users:
                    await expired.close()

    async def _make(self) -> _Client:
        config = self._config
        options = AioConfig(
            connect_timeout=config.connect_timeout_s,
            read_timeout=config.timeout_s,
            max_pool_connections=_CONNECTIONS,
            retries={"total_max_attempts": 1},
            http_session_cls=_Http,
        )
        session, stack = get_session(), AsyncExitStack()
        session.register_component("data_loader", _MODELS)
        problem: StoreRefusedError
        try:
            made = await stack.enter_async_context(
                session.create_client(
                    self._service, region_name=config.region, endpoint_url=config.endpoint_url, config=options
                )
            )
        except _NO_CREDENTIALS:
            problem = _no_credentials()
        except (sdk.BotoCoreError, ValueError):
            problem = StoreRefusedError(
                "the SDK's own settings are not usable.", fix="Check region and AWS_* variables."
            )
        else:
            if _is_private(made.meta.endpoint_url):
                return _Client(made, stack)
            await stack.aclose()
            problem = StoreRefusedError(
                "the SDK's own settings name an endpoint without TLS.", fix="Check AWS_ENDPOINT_URL and the profile."
            )
        raise problem


def _is_private(url: str) -> bool:
    """Whether what is sent to `url` is hidden on the way."""
    return url.startswith(("https://", "http://127.0.0.1:", "http://localhost:", "http://[::1]:"))


def _no_credentials() -> StoreRefusedError:
    return StoreRefusedError(
        "the SDK finds no AWS credentials.", fix="Give the reactor a role, a profile or AWS_* variables."
    )


def _problem(error: Exception, *, writes: bool) -> DriverError:
    """Return the error of a request that got no answer."""
    if isinstance(error, sdk.SSLError):
        return StoreRefusedError(
            "the certificate of AWS is not trusted, or it does not speak TLS.",
            fix="Check endpoint_url; AWS_CA_BUNDLE names other authorities to trust.",
        )
    if isinstance(error, _NO_CREDENTIALS):
        return _no_credentials()
    if isinstance(error, _NO_ANSWER_TO_CREDENTIALS):
        return StoreUnavailableError(
            "the SDK cannot fetch AWS credentials.",
            fix="Check that the source of the credentials can be reached.",
        )
    if isinstance(error, sdk.ParamValidationError):
        return malformed()
    if not writes or _was_not_sent(error):
        return silent()
    return broken()


def _was_not_sent(error: Exception) -> bool:
    """Whether no connection came about. The SDK's classes do not tell: to it a reset one could not be reached, too."""
    cause = error.kwargs.get("error") if isinstance(error, sdk.BotoCoreError) else error
    return isinstance(cause, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
