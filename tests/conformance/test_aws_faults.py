"""What the AWS drivers make of throttling, failures, expired credentials and redirects, played by a server of ours."""

from __future__ import annotations

import datetime as dt
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from monoskope.m8.http import tls
from monoskope.protocol.payload import Payload
from monoskope.stores.aws.config import AwsConfig
from monoskope.stores.aws.parameter_store import ParameterStore
from monoskope.stores.aws.secrets_manager import SecretsManagerStore
from monoskope.stores.driver import (
    NOTHING,
    DriverError,
    StoreDriver,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
)
from monoskope.testing.drivers.harness import tag
from monoskope.testing.engines.moto import CREDENTIALS, REGION
from tests.conformance.aws_faults import BREAK, HANG, SECRET_TEXT, FaultyAws, error
from tests.support.failures import failure

pytestmark = pytest.mark.usefixtures("aws_credentials")

DRIVERS: dict[str, tuple[type[StoreDriver], str, str, str | None]] = {
    "secretsmanager": (SecretsManagerStore, "DescribeSecret", "CreateSecret", NOTHING),
    "ssm": (ParameterStore, "GetParameter", "PutParameter", None),
}
"""The driver, the operation that looks, the one that writes where nothing is, and what to name as replaced."""

PATH = ("app", "db")
VALUE = Payload({"password": b"a value that nobody shall see"})


@pytest_asyncio.fixture
async def aws() -> AsyncIterator[FaultyAws]:
    async with FaultyAws() as server, server.stores:
        yield server


@pytest.fixture(params=DRIVERS)
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def opened(service: str, aws: FaultyAws, folder: Path, **changes: Any) -> StoreDriver:
    driver = DRIVERS[service][0]
    config: type[AwsConfig] = driver.Config  # type: ignore[assignment]
    fields: dict[str, Any] = {"region": REGION, "endpoint_url": aws.url, "timeout_s": 30.0} | changes
    return await aws.stores.add(driver.open(config(**fields), state_dir=folder))


async def put(driver: StoreDriver, service: str) -> str:
    return await driver.write(PATH, VALUE, replacing=DRIVERS[service][3], write_tag=tag())


def shows_nothing(problem: DriverError) -> None:
    """Neither AWS's text nor the value, on whatever hangs on the error."""
    seen: BaseException | None = problem
    while seen is not None:
        for text in (str(seen), repr(seen), repr(vars(seen))):
            assert SECRET_TEXT not in text
            assert "nobody shall see" not in text
        seen = seen.__cause__ or seen.__context__


REFUSES = [
    ((400, "AccessDeniedException"), "policy"),
    ((400, "UnrecognizedClientException"), "credentials"),
    ((403, "SignatureDoesNotMatch"), "credentials"),
    ((400, "InvalidKeyId"), "KMS"),
    ((400, "EncryptionFailure"), "KMS"),
    ((400, "LimitExceededException"), "quota"),
    ((400, "ValidationException"), "refused"),
]
WAITS = [
    (400, "ThrottlingException"),
    (400, "TooManyUpdates"),
    (429, "TooManyRequestsException"),
    (503, "SlowDown"),
    (400, "ExpiredTokenException"),
    (403, "RequestExpired"),
]
BREAKS = [(500, "InternalServiceError"), (500, "InternalServerError"), (503, "ServiceUnavailable"), (502, "BadGateway")]


@pytest.mark.parametrize(("said", "word"), REFUSES)
async def test_refusals_say_why(aws: FaultyAws, service: str, tmp_path: Path, said: tuple[int, str], word: str) -> None:
    driver = await opened(service, aws, tmp_path)
    aws.says[DRIVERS[service][2]] = error(*said)
    refused = await failure(StoreRefusedError, put(driver, service), word)
    shows_nothing(refused)


@pytest.mark.parametrize(("status", "code"), WAITS)
async def test_what_comes_instead_of_writing_is_no_unknown_outcome(
    aws: FaultyAws, service: str, tmp_path: Path, status: int, code: str
) -> None:
    driver = await opened(service, aws, tmp_path)
    for operation in DRIVERS[service][1:3]:
        aws.says[operation] = error(status, code)
    await failure(StoreUnavailableError, driver.read_version(PATH))
    aws.says.pop(DRIVERS[service][1])
    unavailable = await failure(StoreUnavailableError, put(driver, service))
    shows_nothing(unavailable)


@pytest.mark.parametrize("said", [*(error(*each) for each in BREAKS), BREAK], ids=[*(c for _, c in BREAKS), "broken"])
async def test_a_write_that_fails_half_way_is_unknown_and_a_look_is_unavailable(
    aws: FaultyAws, service: str, tmp_path: Path, said: object
) -> None:
    _, looks, writes, _ = DRIVERS[service]
    driver = await opened(service, aws, tmp_path)
    aws.says[looks] = said
    await failure(StoreUnavailableError, driver.read_version(PATH))
    del aws.says[looks]
    aws.says[writes] = said
    unknown = await failure(UnknownOutcomeError, put(driver, service))
    shows_nothing(unknown)
    assert aws.asked.count(writes) == 1, "a write is never repeated"


async def test_a_service_that_never_answers_is_not_waited_for(aws: FaultyAws, service: str, tmp_path: Path) -> None:
    driver = await opened(service, aws, tmp_path, timeout_s=2.0)
    aws.says[DRIVERS[service][2]] = HANG
    await failure(UnknownOutcomeError, put(driver, service))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_refused_unfollowed(aws: FaultyAws, service: str, tmp_path: Path, status: int) -> None:
    driver = await opened(service, aws, tmp_path)
    async with FaultyAws() as thief:
        aws.elsewhere = f"{thief.url}/"
        aws.says[DRIVERS[service][2]] = (status, {})
        await failure(StoreRefusedError, put(driver, service), "redirect")
        assert thief.asked == []


async def test_expired_credentials_are_looked_up_anew_in_the_middle_of_a_write(
    aws: FaultyAws, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever rewrites the profile need not restart the reactor."""
    file = tmp_path / "credentials"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    def profile(key: str) -> None:
        file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = x\naws_session_token = y\n")

    profile("AKIAOLD")
    driver = await opened(service, aws, tmp_path)

    def expires(_: dict[str, Any]) -> object:
        if aws.keys[-1] == "AKIAOLD":
            profile("AKIANEW")
            return error(400, "ExpiredTokenException")
        made = {"ARN": "arn:aws:secretsmanager:eu-central-1:1:secret:app/db-AbCdEf", "Version": 1}
        aws.says["GetParameter"] = 200, {"Parameter": {"Version": 1, "LastModifiedDate": 1_700_000_000.25}}
        return 200, made

    aws.says[DRIVERS[service][2]] = expires
    assert await put(driver, service)
    assert "AKIANEW" in aws.keys


async def test_no_credentials_is_an_error_that_says_so(
    aws: FaultyAws, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    await failure(StoreRefusedError, opened(service, aws, tmp_path), "no AWS credentials")


async def test_a_profile_that_is_not_there_is_an_error_that_says_so(
    aws: FaultyAws, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    await failure(StoreRefusedError, opened(service, aws, tmp_path), "credentials")


async def test_a_policy_that_grants_nothing_shows_at_the_start(aws: FaultyAws, service: str, tmp_path: Path) -> None:
    aws.says[DRIVERS[service][1]] = error(400, "AccessDeniedException")
    await failure(StoreRefusedError, opened(service, aws, tmp_path), "IAM policy")


async def test_an_untrusted_certificate_is_refused(service: str, tmp_path: Path) -> None:
    certificate = tls.make(["127.0.0.1"], now=dt.datetime.now(dt.UTC))
    (tmp_path / "chain").write_bytes(certificate.certificate + certificate.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain")
    async with FaultyAws(tls=context) as stranger:
        await failure(StoreRefusedError, opened(service, stranger, tmp_path), "not trusted")
        assert stranger.asked == []


async def test_an_endpoint_without_tls_in_the_environment_is_refused(
    service: str, tmp_path: Path, aws: FaultyAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://aws.example:80")
    await failure(StoreRefusedError, opened(service, aws, tmp_path, endpoint_url=None), "without TLS")


@pytest.mark.parametrize("said", [(200, {}), (200, {"ARN": "nonsense"})], ids=["empty", "nonsense"])
async def test_an_answer_without_version_is_unsure(aws: FaultyAws, service: str, tmp_path: Path, said: object) -> None:
    driver = await opened(service, aws, tmp_path)
    aws.says[DRIVERS[service][2]] = said
    await failure(UnknownOutcomeError, put(driver, service))


async def test_only_moving_the_label_can_leave_an_outcome_unknown(aws: FaultyAws, tmp_path: Path) -> None:
    """A version that was staged and did not become current is no write: nothing was replaced."""
    driver = await opened("secretsmanager", aws, tmp_path)
    old, arn = "0" * 32, "arn:aws:secretsmanager:eu-central-1:1:secret:app/db-AbCdEf"
    aws.says["DescribeSecret"] = 200, {"ARN": arn, "VersionIdsToStages": {old: ["AWSCURRENT"]}}
    version = await driver.read_version(PATH)
    aws.says["PutSecretValue"] = BREAK
    await failure(StoreUnavailableError, driver.write(PATH, VALUE, replacing=version, write_tag=tag()))
    aws.says["PutSecretValue"] = 200, {"ARN": arn, "VersionStages": ["m8-staged"]}
    aws.says["UpdateSecretVersionStage"] = BREAK
    await failure(UnknownOutcomeError, driver.write(PATH, VALUE, replacing=version, write_tag=tag()))


def test_the_tests_see_no_real_account() -> None:
    assert os.environ["AWS_ACCESS_KEY_ID"] == CREDENTIALS["AWS_ACCESS_KEY_ID"]
