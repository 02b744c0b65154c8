"""The driver `aws-ssm`: SecureString parameters of AWS Systems Manager Parameter Store.

The service replaces whatever is there: it has no check-and-set, so `--expect` cannot be used. It numbers
versions from 1 again when a parameter is deleted, so a version is named by its number and the time it was made. The
write tag is in the description, which is written with the version in one act.

Round trips: `read_version` and `read` 1; `write` 2, with tags 3; `find` 1 or 2; `delete` 3.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from monoskope.protocol.payload import Payload
from monoskope.stores.aws.client import AwsAnswer, AwsClient
from monoskope.stores.aws.config import ParameterStoreConfig, is_reserved
from monoskope.stores.aws.layout import FLAG, AwsContent, Tags, in_parameter_store, tags_of
from monoskope.stores.aws.store import AwsStore, Prefixes, parameter_store_policy
from monoskope.stores.driver import (
    NOTHING,
    DriverError,
    Snapshot,
    StoreConflictError,
    StoreRefusedError,
    UnknownOutcomeError,
    UnsupportedError,
)

_MAX_LEVELS = 15
_MAX_NAME_IN_ARN = 1_011
_LONGEST_ARN = "arn:aws-us-gov:ssm:{region}:123456789012:parameter"
_MISSING = "ParameterNotFound"
_NO_VERSION = "ParameterVersionNotFound"
_EXISTS = "ParameterAlreadyExists"
_NOT_TAGGABLE = "InvalidResourceId"
_OTHER_TYPE = "HierarchyTypeMismatchException"
_PAGE = 50


class ParameterStore(AwsStore):
    """See `StoreDriver`, and docs/stores/aws.md for configuration and IAM policy."""

    kind = "aws-ssm"
    Config = ParameterStoreConfig
    _config: ParameterStoreConfig

    def __init__(self, config: ParameterStoreConfig, client: AwsClient) -> None:
        super().__init__(config, client, in_parameter_store(config))

    @classmethod
    async def open(cls, config: ParameterStoreConfig, *, state_dir: Path) -> Self:
        """See `AwsStore.start`. `state_dir` is not used."""
        del state_dir
        return await cls(config, AwsClient("ssm", config)).start()

    @classmethod
    def policy(cls, config: ParameterStoreConfig, prefixes: Prefixes) -> str:
        """See `StoreDriver.policy`: an IAM policy."""
        return parameter_store_policy(config, prefixes)

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """See `StoreDriver.example`."""
        return super().example(folder) | {"tier": "standard"}

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """Refuse a name that AWS does not take, and options or tags that it does not take."""
        name = self._name(path)
        if is_reserved(name[1:]):
            raise StoreRefusedError(
                "no parameter's name begins with aws or ssm, in upper or lower case.", fix="Choose another path."
            )
        if name.count("/") > _MAX_LEVELS:
            raise StoreRefusedError(f"a parameter's name has at most {_MAX_LEVELS} levels.", fix="Shorten the path.")
        most = _MAX_NAME_IN_ARN - len(_LONGEST_ARN.format(region=self._config.region))
        if len(name) > most:
            raise StoreRefusedError(f"a parameter's name has at most {most} characters here.", fix="Shorten the path.")
        tags_of(options)

    async def read_version(self, path: tuple[str, ...]) -> str:
        """See `StoreDriver.read_version`. What AWS sends along stays encrypted."""
        answer = await self._get(self._name(path), decrypt=False)
        return NOTHING if answer.code else _version(_parameter(answer))

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.write`. Tags are set before the version that they come with."""
        _refuse_expectation(replacing)
        self.check(path, options)
        content = self._layout.to_engine(payload)
        tags = tags_of(options) + ([FLAG] if content.flagged else [])
        name = self._name(path)
        put = {"Name": name, "Value": content.text, "Description": _description(write_tag), "Type": "SecureString"}
        put["Tier"] = self._config.tier.capitalize()
        if self._config.kms_key_id:
            put["KeyId"] = self._config.kms_key_id
        how: dict[str, Any] = {"Overwrite": True} if await self._tagged(name, tags) else {"Tags": tags}
        answer = await self._client.call("put_parameter", writes=True, expected={_EXISTS, _OTHER_TYPE}, **put, **how)
        if answer.code == _EXISTS:
            raise StoreConflictError("another program made the parameter in between.", fix="Try again.")
        if answer.code:
            raise StoreRefusedError(
                "the parameter there is of another type than SecureString.",
                fix="Choose another path: others made this one, and may use it.",
            )
        return await self._written(name, answer.body.get("Version"))

    async def delete(self, path: tuple[str, ...], *, replacing: str | None, destroy: bool) -> None:
        """See `StoreDriver.delete`: the parameter with all its versions, for good. The service knows no other way."""
        _refuse_expectation(replacing)
        self._require_deletable()
        if not destroy:
            raise UnsupportedError(
                "this engine deletes for good only.",
                fix="Nothing was deleted. --destroy erases it for good.",
            )
        version = await self.read_version(path)
        if version == NOTHING:
            raise _nothing_there()
        answer = await self._client.call("delete_parameter", writes=True, expected={_MISSING}, Name=self._name(path))
        if answer.code:
            raise _nothing_there()
        if await self._version_after(path, version) != NOTHING:
            raise UnknownOutcomeError("AWS took the deletion, but it does not show.", fix="Look it up.")

    async def find(self, path: tuple[str, ...], write_tag: str) -> str | None:
        """Return the first version with that tag: later ones by others may have kept the description."""
        page: dict[str, Any] = {"Name": self._name(path), "WithDecryption": False, "MaxResults": _PAGE}
        while True:
            answer = await self._client.call("get_parameter_history", expected={_MISSING}, **page)
            if answer.code:
                return None
            for parameter in answer.body.get("Parameters", []):
                if parameter.get("Description") == _description(write_tag):
                    return _version(parameter)
            page["NextToken"] = answer.text("NextToken")
            if not page["NextToken"]:
                return None

    async def read_either(self, path: tuple[str, ...]) -> Snapshot | None:
        """See `StoreDriver.read_either`."""
        self._require_readable()
        answer = await self._get(self._name(path), decrypt=True)
        if answer.code:
            return None
        parameter = _parameter(answer)
        payload = self._layout.from_engine(AwsContent(parameter.get("Value")))
        either = self._layout.either_way(payload)
        if either and not await self._flagged(path):
            either = frozenset()
        return Snapshot(_version(parameter), payload, either)

    def _name(self, path: tuple[str, ...]) -> str:
        return f"/{super()._name(path)}"

    async def _get(self, name: str, *, decrypt: bool) -> AwsAnswer:
        return await self._client.call(
            "get_parameter", expected={_MISSING, _NO_VERSION}, Name=name, WithDecryption=decrypt
        )

    async def _tagged(self, name: str, tags: Tags) -> bool:
        """Tag the parameter if there is one; return whether it may be written over without tags."""
        if not tags:
            return True
        answer = await self._client.call(
            "add_tags_to_resource", expected={_NOT_TAGGABLE}, ResourceType="Parameter", ResourceId=name, Tags=tags
        )
        return not answer.code

    async def _flagged(self, path: tuple[str, ...]) -> bool:
        """Whether the parameter is tagged as holding base64."""
        answer = await self._client.call(
            "list_tags_for_resource", expected={_NOT_TAGGABLE}, ResourceType="Parameter", ResourceId=self._name(path)
        )
        return FLAG in answer.body.get("TagList", ())

    async def _written(self, name: str, number: object) -> str:
        """Return the text of the version that was just written, of which AWS returns only the number."""
        try:
            answer = await self._get(f"{name}:{number}", decrypt=False)
            if not answer.code:
                return _version(_parameter(answer))
        except DriverError:
            pass
        raise UnknownOutcomeError("AWS took the write, but the version does not show.", fix="Look it up.")


def _description(write_tag: str) -> str:
    return f"Written by m8: {write_tag}"


def _parameter(answer: AwsAnswer) -> Mapping[str, Any]:
    found = answer.body.get("Parameter")
    return found if isinstance(found, dict) else {}


def _version(parameter: Mapping[str, Any]) -> str:
    """Return the text of a version. Raises `StoreRefusedError` if AWS' word makes none."""
    number, made = parameter.get("Version"), parameter.get("LastModifiedDate")
    if not isinstance(number, int) or not isinstance(made, dt.datetime):
        raise StoreRefusedError("the answer is not that of Parameter Store.", fix="Check endpoint_url.")
    return f"{number}@{made.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _refuse_expectation(replacing: str | None) -> None:
    if replacing is not None:
        raise UnsupportedError("this engine cannot replace exactly one version.", fix="Leave --expect out.")


def _nothing_there() -> StoreConflictError:
    return StoreConflictError("there is nothing to delete.")
