"""What is particular to the AWS drivers: labels, deletions, tags, keys and layouts. On moto, an emulator, not AWS."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from monoskope.api.secrets.v1.options_pb2 import AwsOptions, Label
from monoskope.protocol.payload import Payload
from monoskope.reactor.guarded_driver import Sentences
from monoskope.stores.aws.secrets_manager import STAGED
from monoskope.stores.driver import NOTHING, CannotReadError, StoreConflictError, StoreDriver, StoreRefusedError
from monoskope.testing.drivers.harness import NOT_TEXT, tag
from monoskope.testing.drivers.harness import Path as Segments
from monoskope.testing.engines.moto import Moto
from tests.conformance.aws_harness import AwsHarness, ParameterStoreHarness, SecretsManagerHarness
from tests.support.failures import failure

pytestmark = pytest.mark.usefixtures("aws_credentials")

TEXT = Payload({"password": b"correct horse"})


@pytest.fixture
def path() -> Segments:
    return ("engine", secrets.token_hex(8), "db")


@pytest_asyncio.fixture
async def vault(moto: Moto, tmp_path: Path) -> AsyncIterator[SecretsManagerHarness]:
    harness = SecretsManagerHarness(moto, tmp_path, readable=True)
    async with harness.stores:
        yield harness


@pytest_asyncio.fixture
async def parameters(moto: Moto, tmp_path: Path) -> AsyncIterator[ParameterStoreHarness]:
    harness = ParameterStoreHarness(moto, tmp_path, readable=True)
    async with harness.stores:
        yield harness


@pytest.fixture(params=["vault", "parameters"])
def either(request: pytest.FixtureRequest) -> AwsHarness:
    made: AwsHarness = request.getfixturevalue(request.param)
    return made


def tagged(**tags: str) -> AwsOptions:
    return AwsOptions(tags=[Label(name=name, value=tags[name]) for name in sorted(tags)])


async def held(driver: StoreDriver, path: Segments) -> tuple[str, dict[str, bytes]]:
    """Return the version that is there, and its values."""
    snapshot = await driver.read(path)
    assert snapshot is not None
    return snapshot.version, dict(snapshot.payload)


async def put(driver: StoreDriver, path: Segments, payload: Payload = TEXT, **options: object) -> str:
    """Write over whatever is there."""
    return await driver.write(path, payload, replacing=None, write_tag=tag(), options=options.get("options"))


async def test_the_version_id_is_the_write_tag(vault: SecretsManagerHarness, path: Segments) -> None:
    driver, token = await vault.opened(), tag()
    version = await driver.write(path, TEXT, replacing=NOTHING, write_tag=token)
    assert version.startswith(f"{token}@")
    assert vault.people.get_secret_value(SecretId=vault.name(path))["VersionId"] == token


async def test_the_version_before_stays_where_aws_keeps_it(vault: SecretsManagerHarness, path: Segments) -> None:
    driver, tags = await vault.opened(), [tag(), tag(), tag()]
    for each in tags:
        await driver.write(path, TEXT, replacing=None, write_tag=each)
    stages = vault.stages(path)
    assert "AWSPREVIOUS" in stages[tags[1]]
    assert "AWSCURRENT" in stages[tags[2]]


async def test_a_version_that_lost_is_not_found_nor_read(vault: SecretsManagerHarness, path: Segments) -> None:
    """It was put, under a label of ours; somebody else moved AWSCURRENT before we did."""
    driver, lost = await vault.opened(), tag()
    version = await put(driver, path)
    moving = driver._move

    async def moved_by_others(*arguments: str) -> object:
        vault.foreign_text(path, '{"password":"theirs"}')
        return await moving(*arguments)

    driver._move = moved_by_others
    await failure(StoreConflictError, driver.write(path, TEXT, replacing=version, write_tag=lost))
    assert await driver.find(path, lost) is None
    assert (await held(driver, path))[1] == {"password": b"theirs"}
    assert vault.stages(path)[lost] == []


async def test_what_was_only_staged_is_not_rolled_back_to(vault: SecretsManagerHarness, path: Segments) -> None:
    """It holds what a put was to write and did not; nor is a version without a label certainly one that was current."""
    driver, lost = await vault.opened(), tag()
    versions = [await put(driver, path)]
    suffix = versions[0].partition("@")[2]
    vault.people.put_secret_value(
        SecretId=vault.name(path), SecretString='{"password":"x"}', ClientRequestToken=lost, VersionStages=[STAGED]
    )
    assert await driver.read_at(path, f"{lost}@{suffix}") is None
    for number in range(2):
        payload = Payload({"password": b"%d" % number})
        versions.append(await driver.write(path, payload, replacing=versions[-1], write_tag=tag()))
    assert await driver.read_at(path, f"{lost}@{suffix}") is None
    assert await driver.read_at(path, versions[0]) is None
    before = await driver.read_at(path, versions[1])
    assert before is not None
    assert dict(before.payload) == {"password": b"0"}


async def test_a_secret_made_anew_has_another_version(vault: SecretsManagerHarness, path: Segments) -> None:
    driver, token = await vault.opened(), tag()
    old = await driver.write(path, TEXT, replacing=NOTHING, write_tag=token)
    await vault.delete(path)
    vault.people.create_secret(Name=vault.name(path), SecretString='{"password":"x"}', ClientRequestToken=token)
    assert await driver.read_version(path) != old
    await failure(StoreConflictError, driver.write(path, TEXT, replacing=old, write_tag=tag()))


async def test_a_secret_without_a_value_can_be_filled(vault: SecretsManagerHarness, path: Segments) -> None:
    """As infrastructure tools make it: the secret first, its value later."""
    vault.people.create_secret(Name=vault.name(path))
    driver = await vault.opened()
    assert await driver.read_version(path) == NOTHING
    assert await driver.read(path) is None
    version = await driver.write(path, TEXT, replacing=NOTHING, write_tag=tag())
    assert await driver.read_version(path) == version


async def test_a_soft_deletion_can_be_undone_in_the_window(vault: SecretsManagerHarness, path: Segments) -> None:
    vault.changes["recovery_window_days"] = 7
    driver = await vault.opened()
    version = await put(driver, path)
    await driver.delete(path, replacing=version, destroy=False)
    assert vault.people.describe_secret(SecretId=vault.name(path))["DeletedDate"] is not None
    vault.people.restore_secret(SecretId=vault.name(path))
    assert await held(driver, path) == (version, dict(TEXT))


async def test_the_configured_kms_key_is_used(vault: SecretsManagerHarness, path: Segments) -> None:
    vault.changes["kms_key_id"] = "alias/m8"
    driver = await vault.opened()
    await put(driver, path)
    assert vault.people.describe_secret(SecretId=vault.name(path))["KmsKeyId"] == "alias/m8"


async def test_a_parameter_is_a_secure_string_of_the_configured_key_and_tier(
    parameters: ParameterStoreHarness, path: Segments
) -> None:
    parameters.changes |= {"kms_key_id": "alias/m8", "tier": "advanced"}
    driver = await parameters.opened()
    await put(driver, path)
    await put(driver, path)
    name = parameters.name(path)
    [shown] = parameters.people.describe_parameters(
        ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [name]}]
    )["Parameters"]
    assert (shown["Type"], shown["KeyId"], shown["Tier"]) == ("SecureString", "alias/m8", "Advanced")


async def test_tags_are_set_with_the_first_version_and_later_ones(either: AwsHarness, path: Segments) -> None:
    driver = await either.opened()
    await put(driver, path, options=tagged(owner="team-a", stage="test"))
    await put(driver, path, options=tagged(owner="team-b"))
    if isinstance(either, SecretsManagerHarness):
        found = either.people.describe_secret(SecretId=either.name(path))["Tags"]
    else:
        assert isinstance(either, ParameterStoreHarness)
        listed = either.people.list_tags_for_resource(ResourceType="Parameter", ResourceId=either.name(path))
        found = listed["TagList"]
    assert {each["Key"]: each["Value"] for each in found} == {"owner": "team-b", "stage": "test"}


async def test_the_tag_is_found_in_our_description(parameters: ParameterStoreHarness, path: Segments) -> None:
    driver, token = await parameters.opened(), tag()
    version = await driver.write(path, TEXT, replacing=None, write_tag=token)
    parameters.foreign_text(path, "{}")
    assert await driver.find(path, token) == version != await driver.read_version(path)


async def test_a_tag_is_found_among_many_versions(parameters: ParameterStoreHarness, path: Segments) -> None:
    driver, token = await parameters.opened(), tag()
    for number in range(60):
        parameters.foreign_text(path, str(number))
    version = await driver.write(path, TEXT, replacing=None, write_tag=token)
    assert await driver.find(path, token) == version


async def test_what_looks_like_a_reference_is_escaped(parameters: ParameterStoreHarness, path: Segments) -> None:
    driver, values = await parameters.opened(), {"template": b"{{x}} {{{y}}} }} {{ {{{{"}
    await put(driver, path, Payload(values))
    there = parameters.people.get_parameter(Name=parameters.name(path), WithDecryption=True)["Parameter"]["Value"]
    assert "{{" not in there
    assert json.loads(there) == {"template": values["template"].decode()}
    assert (await held(driver, path))[1] == values


async def test_json_is_what_readers_of_the_vault_expect(vault: SecretsManagerHarness, path: Segments) -> None:
    driver = await vault.opened()
    await put(driver, path, Payload({"user": "grün".encode(), "password": b'a"b'}))
    text = vault.people.get_secret_value(SecretId=vault.name(path))["SecretString"]
    assert json.loads(text) == {"password": 'a"b', "user": "grün"}


@pytest.mark.parametrize("value", [b"plain", "grün {{ 1".encode(), b'{"a":1}', b" \n"])
async def test_raw_text_lies_there_as_it_is(either: AwsHarness, path: Segments, value: bytes) -> None:
    either.changes |= {"layout": "raw", "raw_key": "tls.key"}
    driver = await either.opened()
    assert driver.capabilities.key_rule.fullmatch("tls.key")
    assert not driver.capabilities.key_rule.fullmatch("tls-key")
    version = await put(driver, path, Payload({"tls.key": value}))
    if isinstance(either, SecretsManagerHarness):
        there = either.people.get_secret_value(SecretId=either.name(path))["SecretString"]
    else:
        assert isinstance(either, ParameterStoreHarness)
        there = either.people.get_parameter(Name=either.name(path), WithDecryption=True)["Parameter"]["Value"]
    assert there.encode() == value
    assert await held(driver, path) == (version, {"tls.key": value})


async def test_raw_bytes_lie_in_secret_binary(vault: SecretsManagerHarness, path: Segments) -> None:
    vault.changes["layout"] = "raw"
    driver = await vault.opened()
    await put(driver, path, Payload({"value": NOT_TEXT}))
    assert vault.people.get_secret_value(SecretId=vault.name(path))["SecretBinary"] == NOT_TEXT
    assert (await held(driver, path))[1] == {"value": NOT_TEXT}


async def test_bytes_in_json_are_refused_unless_it_takes_base64(either: AwsHarness, path: Segments) -> None:
    payload = Payload({"fine": b"text", "key": NOT_TEXT})
    driver = await either.opened()
    await failure(StoreRefusedError, put(driver, path, payload), "key")
    assert await driver.read_version(path) == NOTHING
    either.changes["binary"] = "base64"
    driver = await either.opened()
    await put(driver, path, Payload({"key": b"gIEA/w=="}))
    snapshot = await driver.read(path)
    assert snapshot is not None, "text that looks like base64 is text while nothing else was ever put"
    await put(driver, path, payload)
    await failure(CannotReadError, driver.read(path), "base64")


FOREIGN = ["no JSON", "[1]", '{"a":1}', '{"a":{"b":"c"}}', '{"a":"1","a":"2"}', "{}", '{"not a key":"x"}', '"text"']


@pytest.mark.parametrize("text", FOREIGN)
async def test_what_others_wrote_is_not_read_as_ours(either: AwsHarness, path: Segments, text: str) -> None:
    driver = await either.opened()
    await put(driver, path)
    either.foreign_text(path, text)
    await failure(CannotReadError, driver.read(path))
    assert await driver.read_version(path) != NOTHING


async def test_what_is_too_large_tells_no_size_of_what_is_there(vault: SecretsManagerHarness) -> None:
    """What a patch leaves as it is counts, too: whoever may patch is not told how long the other values are."""
    said = []
    store = await vault.opened()
    for length in (9, 31):
        place = ("engine", secrets.token_hex(8), "db")
        version = await put(store, place, Payload({"password": b"p" * length}))
        filler = Payload({"filler": b"f" * 65_530})
        caught = await failure(StoreRefusedError, store.patch(place, filler, (), replacing=version, write_tag=tag()))
        said.append(Sentences().told(caught.message))
    assert said[0] == said[1] != ""
