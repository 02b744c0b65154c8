"""What the two AWS stores share: client, layout, capabilities, the check at the start, and the least rights.

The least rights are an IAM policy. No test runs against AWS: docs/stores/aws.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from monoskope.errors import docs_page
from monoskope.protocol.payload import Payload
from monoskope.stores.aws.client import AwsClient
from monoskope.stores.aws.config import AwsConfig, ParameterStoreConfig, SecretsManagerConfig
from monoskope.stores.aws.layout import AwsLayout
from monoskope.stores.driver import PLACEHOLDER, Capabilities, Snapshot, certain
from monoskope.stores.shared.checks import OurDriver

PROBE = ("m8-probe",)
"""The place that a driver looks at when it starts."""

Prefixes = Sequence[tuple[str, ...]]


def secrets_manager_policy(config: SecretsManagerConfig, prefixes: Prefixes) -> str:
    """Return the narrowest policy for `config`, for a reactor that serves `prefixes`."""
    actions = ["CreateSecret", "DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage"]
    if config.readable:
        actions.append("GetSecretValue")
    if config.deletable:
        actions += ["DeleteSecret", "RestoreSecret"]
    elif config.restorable:
        actions.append("RestoreSecret")
    if config.binary == "base64":
        actions.append("TagResource")
    # AWS ends the ARN of a secret in a hyphen and six characters.
    places = [each for name in _exact(config, prefixes) for each in (name, f"{name}-??????")] + _below(config, prefixes)
    arns = [_arn(config, "secretsmanager", f"secret:{place}") for place in places]
    return _document(
        _allow([f"secretsmanager:{action}" for action in actions], arns),
        # AWS demands Decrypt for writing, too.
        *_key(config, "secretsmanager", ["kms:Decrypt", "kms:GenerateDataKey"]),
    )


def parameter_store_policy(config: ParameterStoreConfig, prefixes: Prefixes) -> str:
    """Return the narrowest policy for `config`, for a reactor that serves `prefixes`."""
    actions = ["GetParameter", "GetParameterHistory", "PutParameter"]
    if config.deletable:
        actions.append("DeleteParameter")
    if config.binary == "base64":
        actions += ["AddTagsToResource", "ListTagsForResource"]
    places = _exact(config, prefixes) + _below(config, prefixes)
    arns = [_arn(config, "ssm", f"parameter/{place}") for place in places]
    encrypt = "kms:GenerateDataKey" if config.tier == "advanced" else "kms:Encrypt"
    return _document(
        _allow([f"ssm:{action}" for action in actions], arns),
        *_key(config, "ssm", [encrypt, *(["kms:Decrypt"] if config.readable else [])]),
    )


def _exact(config: AwsConfig, prefixes: Prefixes) -> list[str]:
    """The names that can be secrets themselves, the probe included unless all is granted anyway."""
    return [] if () in prefixes else [_name(config, path) for path in (*prefixes, PROBE)]


def _below(config: AwsConfig, prefixes: Prefixes) -> list[str]:
    return [_name(config, (*path, "*")) for path in prefixes]


def _name(config: AwsConfig, path: tuple[str, ...]) -> str:
    return "/".join((config.prefix, *path) if config.prefix else path)


def _arn(config: AwsConfig, service: str, resource: str) -> str:
    partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(config.region.rpartition("-")[0].rpartition("-")[0], "aws")
    return f"arn:{partition}:{service}:{config.region}:*:{resource}"


def _key(config: AwsConfig, service: str, actions: list[str]) -> list[dict[str, Any]]:
    """The right to use the configured key, only through the service; the account's default key needs none."""
    if config.kms_key_id is None:
        return []
    key, condition = config.kms_key_id, {"StringEquals": {"kms:ViaService": f"{service}.{config.region}.amazonaws.com"}}
    alias = key.rpartition(":")[2]
    if alias.startswith("alias/"):
        condition["ForAnyValue:StringEquals"] = {"kms:ResourceAliases": alias}
        key = _arn(config, "kms", "key/*")
    elif not key.startswith("arn:"):
        key = _arn(config, "kms", f"key/{key}")
    return [_allow(sorted(actions), [key]) | {"Condition": condition}]


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": sorted(actions), "Resource": resources}


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"


class AwsStore(OurDriver):
    """One service in one region. The verbs are in the subclass of each service."""

    maturity: ClassVar[Literal["stable", "experimental"]] = "experimental"
    example_notes = f"""\
# Credentials: the AWS SDK's own chain (AWS_* variables, profile, web identity, instance role). None stand here.
# layout = "raw" stores one value as it is, under the key that raw_key names; "json" an object of all values.
# kms_key_id = "alias/m8" encrypts with a key of yours.
# Policy and limits: {docs_page("stores/aws.md")}.
"""

    def __init__(self, config: AwsConfig, client: AwsClient, layout: AwsLayout) -> None:
        self._config = config
        self._client = client
        self._layout = layout
        self._capabilities = Capabilities(
            max_plaintext=config.max_plaintext or layout.always_fits,
            check_and_set=False,
            write_tag=True,
            readable=config.readable,
            key_rule=layout.key_rule,
            deletable=config.deletable,
            layout=layout.sentence,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._config.region} {self._config.prefix}>"

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """See `StoreDriver.example`."""
        del folder
        return {"region": PLACEHOLDER, "prefix": "m8", "layout": "json", "readable": False, "deletable": False}

    def check_payload(
        self, path: tuple[str, ...], payload: Payload | None, *, remove: Sequence[str] | None, options: object | None
    ) -> None:
        """Refuse values that the layout has no place for, and more than AWS holds."""
        self.check(path, options)
        self._layout.check(payload, remove)

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        """See `StoreDriver.read`. Raises `CannotReadError` for a store that is configured as write-only, too."""
        return certain(await self.read_either(path))

    async def start(self) -> Self:
        """Find credentials and check that they may look at secrets below the prefix; `close` if they may not.

        Raises:
            StoreRefusedError: there are no credentials, or the policy does not allow it; the message says which.
            StoreUnavailableError: AWS does not answer.
        """
        return await self.opened(self._client.start())

    def _name(self, path: tuple[str, ...]) -> str:
        """Return what a secret is called in AWS."""
        return _name(self._config, path)

    async def health(self) -> bool:
        """Look at a name that no secret has."""
        await self.read_version(PROBE)
        return True

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        await self._client.close()
