"""How the tests reach the AWS drivers: on moto, an emulator, for there is no AWS here."""

from __future__ import annotations

import json
import secrets
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monoskope.api.secrets.v1.options_pb2 import AwsOptions, Label
from monoskope.stores.aws.config import AwsConfig, ParameterStoreConfig, SecretsManagerConfig
from monoskope.stores.aws.parameter_store import ParameterStore
from monoskope.stores.aws.secrets_manager import SecretsManagerStore
from monoskope.stores.driver import StoreDriver
from monoskope.testing.engines.moto import REGION, Moto
from tests.conformance.gated import GatedHarness
from tests.conformance.open_stores import OpenStores
from tests.faults.tcp_proxy import Link

PREFIX = "team/m8"
TAGS = (
    [Label(name=f"tag-{number:02}", value="v") for number in range(49)],
    [Label(name=f"tag-{number:02}", value="v") for number in range(50)],
    [Label(name="owner", value="a\tb")],
)
"""As many as fit beside the store's own, one more, and one that AWS takes for no tag."""


class AwsHarness(GatedHarness):
    """What is alike for both services."""

    bad_options: object = {"tags": []}
    lone_options = tuple(AwsOptions(tags=tags) for tags in TAGS)
    service: str
    driver: type[StoreDriver]

    def __init__(self, moto: Moto, folder: Path, *, readable: bool, gate: Link | None = None, **changes: Any) -> None:
        self.moto = moto
        self.gate = gate
        self.goes_away = gate is not None
        self.folder = folder
        self.readable = readable
        self.changes = changes
        self.stores = OpenStores()
        self.people = moto.client(self.service)
        """The SDK client of somebody else."""

    more_fields: Mapping[str, Any] = {}
    """Fields that this service's configuration has and the other's has not."""

    def config(self, **changes: Any) -> AwsConfig:
        fields: dict[str, Any] = {
            "region": REGION,
            "prefix": PREFIX,
            "endpoint_url": self.moto.url if self.gate is None else self.gate.before(self.moto.url),
            "readable": self.readable,
            "deletable": True,
            "timeout_s": 30.0,
            **self.more_fields,
        }
        config: type[AwsConfig] = self.driver.Config  # type: ignore[assignment]
        return config(**(fields | self.changes | changes))

    async def open(self) -> Any:
        return await self.driver.open(self.config(), state_dir=self.folder)

    async def opened(self) -> Any:
        """Return a driver that is closed with the test."""
        return await self.stores.add(self.open())

    async def open_reader(self) -> Any:
        return await self.driver.open(self.config(readable=True), state_dir=self.folder)

    async def foreign_write(self, path: tuple[str, ...], values: Mapping[str, str]) -> None:
        self.foreign_text(path, json.dumps(values))

    @abstractmethod
    def foreign_text(self, path: tuple[str, ...], text: str) -> None:
        """Write text as it is, as people or other programs would."""


class SecretsManagerHarness(AwsHarness):
    service = "secretsmanager"
    driver = SecretsManagerStore
    more_fields: Mapping[str, Any] = {"restorable": True}

    def name(self, path: tuple[str, ...]) -> str:
        return "/".join((PREFIX, *path))

    def stages(self, path: tuple[str, ...]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = self.people.describe_secret(SecretId=self.name(path))["VersionIdsToStages"]
        return found

    def foreign_text(self, path: tuple[str, ...], text: str) -> None:
        """As a rotation does. moto mixes labels up where one puts straight to AWSCURRENT after a label was moved."""
        name = self.name(path)
        try:
            self.people.create_secret(Name=name, SecretString=text)
        except self.people.exceptions.ResourceExistsException:
            pass
        else:
            return
        [current] = [key for key, stages in self.stages(path).items() if "AWSCURRENT" in stages]
        new = secrets.token_hex(16)
        self.people.put_secret_value(
            SecretId=name, ClientRequestToken=new, SecretString=text, VersionStages=["ROTATING"]
        )
        self.people.update_secret_version_stage(
            SecretId=name, VersionStage="AWSCURRENT", RemoveFromVersionId=current, MoveToVersionId=new
        )

    async def delete(self, path: tuple[str, ...]) -> None:
        self.people.delete_secret(SecretId=self.name(path), ForceDeleteWithoutRecovery=True)


class ParameterStoreHarness(AwsHarness):
    service = "ssm"
    driver = ParameterStore

    def name(self, path: tuple[str, ...]) -> str:
        return "/".join(("", PREFIX, *path))

    def foreign_text(self, path: tuple[str, ...], text: str) -> None:
        self.people.put_parameter(Name=self.name(path), Value=text, Type="SecureString", Overwrite=True)

    async def delete(self, path: tuple[str, ...]) -> None:
        self.people.delete_parameter(Name=self.name(path))


__all__ = ["PREFIX", "ParameterStoreConfig", "ParameterStoreHarness", "SecretsManagerConfig", "SecretsManagerHarness"]
