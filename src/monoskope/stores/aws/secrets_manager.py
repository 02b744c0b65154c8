"""The driver `aws-secretsmanager`: AWS Secrets Manager.

A write is a check-and-set in two steps. The new version is put under a staging label of the driver, where no reader
looks; its id is the write tag. Then `AWSCURRENT` is moved to it from exactly the version that it replaces, which AWS
refuses if the label is elsewhere by now. Only the second step can have an unknown outcome, and `find` resolves it.

Round trips: `read_version` and `read` 1; `write` 2 where nothing is, else 3, +1 for tags, +1 to restore; `delete` 3.

The file is long because the verbs of a driver stand together: each relies on how the others leave the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from monoskope.protocol.payload import Payload
from monoskope.stores.aws.client import AwsAnswer, AwsClient
from monoskope.stores.aws.config import SecretsManagerConfig
from monoskope.stores.aws.errors import malformed
from monoskope.stores.aws.layout import FLAG, AwsContent, Tags, in_secrets_manager, merged, tags_of
from monoskope.stores.aws.store import AwsStore, Prefixes, secrets_manager_policy
from monoskope.stores.aws.versions import CURRENT, Seen, conflict, life_of, values_of, version_text, written
from monoskope.stores.driver import (
    NOTHING,
    DeletedVersion,
    DriverError,
    Snapshot,
    StoreConflictError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
    certain,
)

STAGED = "m8-staged"
"""The staging label of the version that was put last, whether it became current or not."""

_MAX_NAME = 512
_TRIES = 3
_MISSING = "ResourceNotFoundException"
_EXISTS = "ResourceExistsException"
_UNFIT = "InvalidRequestException"
_UNFIT_PARAMETER = "InvalidParameterException"


class SecretsManagerStore(AwsStore):
    """See `StoreDriver`, and docs/stores/aws.md for configuration and IAM policy."""

    kind = "aws-secretsmanager"
    Config = SecretsManagerConfig
    _config: SecretsManagerConfig

    def __init__(self, config: SecretsManagerConfig, client: AwsClient) -> None:
        super().__init__(config, client, in_secrets_manager(config))
        can = self._capabilities
        self._capabilities = replace(
            can,
            check_and_set=True,
            patchable=can.readable,
            soft_delete=can.deletable,
            undeletable=config.restorable,
            rollbackable=config.restorable and can.readable,
        )

    @classmethod
    async def open(cls, config: SecretsManagerConfig, *, state_dir: Path) -> Self:
        """See `AwsStore.start`. `state_dir` is not used."""
        del state_dir
        return await cls(config, AwsClient("secretsmanager", config)).start()

    @classmethod
    def policy(cls, config: SecretsManagerConfig, prefixes: Prefixes) -> str:
        """See `StoreDriver.policy`: an IAM policy."""
        return secrets_manager_policy(config, prefixes)

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """See `StoreDriver.example`."""
        return super().example(folder) | {"recovery_window_days": 30, "restorable": False}

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """Refuse a name that is too long for AWS, and options or tags that it does not take."""
        if len(self._name(path)) > _MAX_NAME:
            raise StoreRefusedError(
                f"a secret's name in AWS has at most {_MAX_NAME} characters.", fix="Shorten the path."
            )
        tags_of(options)

    async def read_version(self, path: tuple[str, ...]) -> str:
        """Return the version at `path`; a secret whose deletion is scheduled, or without a value, is `NOTHING`."""
        return (await self._look(path)).version

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.write`. A secret whose deletion is scheduled is restored first.

        Between the restoration and the end of the write its last value is current again, and it stays so if the write
        fails in between: AWS writes to no secret whose deletion is scheduled.
        """
        self.check(path, options)
        content = self._layout.to_engine(payload)
        tags = tags_of(options) + ([FLAG] if content.flagged else [])
        seen = await self._look(path)
        if replacing is not None and seen.version != replacing:
            raise conflict()
        for _ in range(_TRIES):
            if seen.exists:
                version = await self._replace(path, seen, content, write_tag, tags)
            else:
                version = await self._create(path, content, write_tag, tags)
            if version is not None:
                return version
            if replacing is not None:
                break
            seen = await self._look(path)
        raise conflict()

    async def patch(
        self,
        path: tuple[str, ...],
        changes: Payload | None,
        remove: Sequence[str],
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.patch`: read, merge, and replace exactly what was read, so the store must be readable.

        A value that could be text or base64 stays the text that it is there, and so what it was.
        """
        self.check(path, options)
        if not self._config.readable:
            raise UnsupportedError("this store is write-only, and could not leave the other keys as they are.")
        there = await self.read_either(path)
        if there is None or replacing not in {None, there.version}:
            raise conflict()
        payload = merged(there.payload, changes, remove)
        return await self.write(path, payload, replacing=there.version, write_tag=write_tag, options=options)

    async def delete(self, path: tuple[str, ...], *, replacing: str | None, destroy: bool) -> None:
        """See `StoreDriver.delete`: the whole secret with all its versions, after a look at which one is there.

        AWS deletes without check-and-set: a version that is written between the look and the deletion goes, too.
        """
        self._require_deletable()
        seen = await self._look(path)
        if seen.version == NOTHING or replacing not in {None, seen.version}:
            raise conflict()
        how: dict[str, Any] = {"RecoveryWindowInDays": self._config.recovery_window_days}
        if destroy:
            how = {"ForceDeleteWithoutRecovery": True}
        answer = await self._call("delete_secret", path, writes=True, expected={_MISSING, _UNFIT}, **how)
        if answer.code == _MISSING:
            raise conflict()
        if await self._version_after(path, seen.version) != NOTHING:
            if answer.code:
                raise malformed()
            raise UnknownOutcomeError("AWS took the deletion, but it does not show.", fix="Look it up.")

    async def deleted_version(self, path: tuple[str, ...]) -> DeletedVersion | None:
        """See `StoreDriver.deleted_version`: the current version of a secret whose deletion is scheduled."""
        self._require_restorable()
        return (await self._look(path)).deleted

    async def undelete(self, path: tuple[str, ...], deleted: DeletedVersion, *, write_tag: str) -> str:
        """See `StoreDriver.undelete`: the whole secret, after a look at which version is current in it.

        AWS restores without check-and-set. It writes nothing to a secret whose deletion is scheduled, so the version
        can change between the look and the restoration only if others restore it, too.
        """
        del write_tag
        self._require_restorable()
        seen = await self._look(path)
        if seen.deleted is None or seen.deleted != deleted:
            raise StoreConflictError("the secret in AWS is not the deleted version that was to come back.")
        answer = await self._call("restore_secret", path, writes=True, expected={_MISSING, _UNFIT})
        if answer.code == _MISSING:
            raise conflict()
        version = await self._version_after(path, NOTHING)
        if version == NOTHING:
            if answer.code:
                raise malformed()
            raise UnknownOutcomeError("AWS took the restoration, but it does not show.", fix="Look it up.")
        if version != deleted.version:
            raise conflict()
        return version

    async def read_at(self, path: tuple[str, ...], version: str) -> Snapshot | None:
        """See `StoreDriver.read_at`: the current version and the one before it.

        Of versions without a label it is unknown whether they were ever current. One that was only staged holds what
        a put was to write and did not.
        """
        self._require_restorable(by_reading=True)
        version_id, seen = version.rpartition("@")[0], await self._look(path)
        if not seen.was_current(version_id) or version != version_text(version_id, seen.life):
            return None
        return certain(await self._read(path, version, VersionId=version_id))

    async def find(self, path: tuple[str, ...], write_tag: str) -> str | None:
        """Return the version of that tag if it is current or was the one before; a staged one was not written."""
        seen = await self._look(path)
        return version_text(write_tag, seen.life) if seen.was_current(write_tag) else None

    async def read_either(self, path: tuple[str, ...]) -> Snapshot | None:
        """See `StoreDriver.read_either`."""
        self._require_readable()
        return await self._read(path, "", VersionStage=CURRENT)

    async def _read(self, path: tuple[str, ...], wanted: str, **which: str) -> Snapshot | None:
        """Return the value of the version that `which` selects; None if nothing is there, or another than `wanted`."""
        answer = await self._call("get_secret_value", path, expected={_MISSING, _UNFIT}, **which)
        if answer.code == _UNFIT and await self.read_version(path) != NOTHING:
            raise malformed()
        if answer.code:
            return None
        version = version_text(answer.text("VersionId"), life_of(answer.body.get("ARN")))
        if wanted not in {"", version}:
            return None
        content = AwsContent(answer.body.get("SecretString"), answer.body.get("SecretBinary"))
        payload = self._layout.from_engine(content)
        either = self._layout.either_way(payload)
        if either and not (await self._look(path)).flagged:
            either = frozenset()
        return Snapshot(version, payload, either)

    async def _call(self, operation: str, path: tuple[str, ...], **rest: Any) -> AwsAnswer:  # noqa: ANN401 - passed on
        return await self._client.call(operation, SecretId=self._name(path), **rest)

    async def _look(self, path: tuple[str, ...]) -> Seen:
        answer = await self._call("describe_secret", path, expected={_MISSING})
        return Seen() if answer.code else Seen.from_description(answer.body)

    async def _create(self, path: tuple[str, ...], content: AwsContent, write_tag: str, tags: Tags) -> str | None:
        """Make the secret with its first version; None if it exists by now."""
        more: dict[str, Any] = {"Tags": tags} if tags else {}
        if self._config.kms_key_id:
            more["KmsKeyId"] = self._config.kms_key_id
        answer = await self._client.call(
            "create_secret",
            writes=True,
            expected={_EXISTS, _UNFIT},
            Name=self._name(path),
            ClientRequestToken=write_tag,
            **values_of(content),
            **more,
        )
        if answer.code == _UNFIT:
            raise StoreUnavailableError("AWS is still deleting the secret that was there.", fix="Try again later.")
        return None if answer.code else written(write_tag, answer)

    async def _replace(
        self, path: tuple[str, ...], seen: Seen, content: AwsContent, write_tag: str, tags: Tags
    ) -> str | None:
        """Stage the version, then make it current in the place of the one that was seen; None if that is not there."""
        if seen.scheduled:
            await self._call("restore_secret", path)
        if tags:
            await self._call("tag_resource", path, Tags=tags)
        staged = await self._call(
            "put_secret_value",
            path,
            # The first version of all becomes current at once, whatever its label.
            writes=not seen.current,
            expected={_MISSING, _UNFIT},
            ClientRequestToken=write_tag,
            VersionStages=[STAGED],
            **values_of(content),
        )
        if staged.code:
            await self._refuse_if_unchanged(path, seen)
            return None
        if CURRENT in staged.body.get("VersionStages", []):
            return written(write_tag, staged)
        if seen.current and life_of(staged.body.get("ARN")) == seen.life:
            moved = await self._move(path, write_tag, seen.current)
            if not moved.code:
                return written(write_tag, moved)
        await self._withdraw(path, write_tag)
        await self._refuse_if_unchanged(path, seen)
        return None

    async def _move(self, path: tuple[str, ...], write_tag: str, current: str) -> AwsAnswer:
        return await self._call(
            "update_secret_version_stage",
            path,
            writes=True,
            expected={_MISSING, _UNFIT, _UNFIT_PARAMETER},
            VersionStage=CURRENT,
            RemoveFromVersionId=current,
            MoveToVersionId=write_tag,
        )

    async def _withdraw(self, path: tuple[str, ...], write_tag: str) -> None:
        """Take our label from a version that lost the race, so that AWS may remove it. Another put may have done so."""
        expected = {_MISSING, _UNFIT, _UNFIT_PARAMETER}
        try:
            await self._call(
                "update_secret_version_stage",
                path,
                expected=expected,
                VersionStage=STAGED,
                RemoveFromVersionId=write_tag,
            )
        except DriverError:
            return

    async def _refuse_if_unchanged(self, path: tuple[str, ...], seen: Seen) -> None:
        """Raise a refusal if nothing changed since `seen`: then AWS refused the request, and no race was lost."""
        now = await self._look(path)
        if (now.life, now.current, now.scheduled) == (seen.life, seen.current, False):
            raise malformed()
