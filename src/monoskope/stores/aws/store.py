"""What the two AWS stores share: client, layout, capabilities, and the check at the start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from monoskope.errors import docs_page
from monoskope.protocol.payload import Payload
from monoskope.stores.aws.client import AwsClient
from monoskope.stores.aws.config import AwsConfig
from monoskope.stores.aws.layout import AwsLayout
from monoskope.stores.aws.policy import PROBE
from monoskope.stores.driver import Capabilities, StoreDriver


class AwsStore(StoreDriver):
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
        return {"region": "eu-central-1", "prefix": "m8", "layout": "json", "readable": False, "deletable": False}

    @property
    def capabilities(self) -> Capabilities:
        """See `StoreDriver.capabilities`."""
        return self._capabilities

    def check_payload(
        self, path: tuple[str, ...], payload: Payload | None, *, remove: Sequence[str] | None, options: object | None
    ) -> None:
        """Refuse values that the layout has no place for, and more than AWS holds."""
        self.check(path, options)
        self._layout.check(payload, remove)

    async def start(self) -> Self:
        """Find credentials and check that they may look at secrets below the prefix; `close` if they may not.

        Raises:
            StoreRefusedError: there are no credentials, or the policy does not allow it; the message says which.
            StoreUnavailableError: AWS does not answer.
        """
        try:
            await self._client.start()
            await self.health()
        except BaseException:
            await self.close()
            raise
        return self

    async def health(self) -> bool:
        """Look at a name that no secret has."""
        await self.read_version(PROBE)
        return True

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        await self._client.close()
