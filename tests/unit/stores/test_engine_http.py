"""What a driver of an engine with an HTTP API says when an exchange fails: only what was not sent is certain."""

from __future__ import annotations

import ssl
import subprocess
import sys
from typing import Any, NoReturn

import pytest

from monoskope.http.client.failures import (
    BrokenError,
    ExchangeError,
    LateError,
    MalformedError,
    NotSentError,
    TooLargeError,
    UntrustedError,
)
from monoskope.stores.driver import DriverError, StoreRefusedError, StoreUnavailableError, UnknownOutcomeError
from monoskope.stores.shared.checks import HttpConfig
from monoskope.stores.shared.http import EngineHttp


class FailingPool:
    def __init__(self, failure: ExchangeError) -> None:
        self._failure = failure

    async def request(self, *_arguments: Any, **_settings: Any) -> NoReturn:
        raise self._failure


class Engine(EngineHttp):
    redirect_fix = "Set address to the engine itself."


@pytest.mark.parametrize(
    ("failure", "of_a_write"),
    [
        (NotSentError("x"), StoreUnavailableError),
        (UntrustedError("x", certificate=True), StoreRefusedError),
        (UntrustedError("x", certificate=False), StoreRefusedError),
        (LateError("x", sent=False), StoreUnavailableError),
        (LateError("x", sent=True), UnknownOutcomeError),
        (BrokenError("x"), UnknownOutcomeError),
        (MalformedError("x"), UnknownOutcomeError),
        (TooLargeError("x"), UnknownOutcomeError),
    ],
    ids=lambda given: f"{given.__class__.__name__}-{getattr(given, 'sent', '')}",
)
async def test_only_a_write_that_was_not_sent_is_certain_not_to_have_happened(
    failure: ExchangeError, of_a_write: type[DriverError]
) -> None:
    http = Engine(ssl.create_default_context(), HttpConfig())
    http._pools["engine:1"] = FailingPool(failure)  # type: ignore[assignment]
    for writes in (True, False):
        with pytest.raises(DriverError) as caught:
            await http.exchange("POST", "https://engine:1/v1/x", {}, b"secret", writes=writes)
        refused = isinstance(failure, UntrustedError)
        assert type(caught.value) is (of_a_write if writes or refused else StoreUnavailableError)
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_an_address_with_an_impossible_port_reaches_nobody() -> None:
    http = Engine(ssl.create_default_context(), HttpConfig())
    with pytest.raises(StoreUnavailableError):
        await http.exchange("POST", "https://engine:99999/v1/x", {}, b"x", writes=True)


@pytest.mark.parametrize("driver", ["vault.kv2", "vault.kv1", "barbican.secrets", "kubernetes.secrets"])
def test_these_drivers_need_no_http_library_of_others(driver: str) -> None:
    code = f"import sys, monoskope.stores.{driver}; print('aiohttp' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


async def test_a_token_that_would_be_a_header_of_its_own_is_refused_and_nothing_is_sent() -> None:
    """An engine may give any text as a token at a login."""
    http = Engine(ssl.create_default_context(), HttpConfig())
    headers = {"X-Vault-Token": "a\r\nX-Vault-Namespace: other"}
    with pytest.raises(StoreRefusedError) as caught:
        await http.exchange("POST", "https://127.0.0.1:1/v1/x", headers, b"x", writes=True)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
