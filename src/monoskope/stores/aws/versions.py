"""What Secrets Manager says about a secret's versions, and the text that names a version uniquely.

A version's id is chosen by the client that writes it, and a secret that was deleted for good can be made again with
the same id. AWS ends the ARN of every secret that is made in six random characters, so a version is named by both:
`4f1c…@AbCdEf`. A version's content never changes while its secret lives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monoskope.stores.aws.client import AwsAnswer
from monoskope.stores.aws.layout import FLAG, AwsContent
from monoskope.stores.driver import NOTHING, DeletedVersion, StoreConflictError, StoreRefusedError, UnknownOutcomeError

CURRENT = "AWSCURRENT"
PREVIOUS = "AWSPREVIOUS"

_VERSION = re.compile(r"[!-?A-~]{1,64}@[A-Za-z0-9]{6}", re.ASCII)


def life_of(arn: object) -> str:
    """Return the six characters that tell a secret from all others that ever had its name."""
    return str(arn).rpartition("-")[2]


def version_text(version_id: str, life: str) -> str:
    """Return the text of a version. Raises `StoreRefusedError` if AWS' word makes none."""
    text = f"{version_id}@{life}"
    if _VERSION.fullmatch(text) is None:
        raise StoreRefusedError("the answer is not that of Secrets Manager.", fix="Check endpoint_url.")
    return text


@dataclass(frozen=True, slots=True)
class Seen:
    """The state of a secret at one look."""

    exists: bool = False
    scheduled: bool = False
    """Whether its deletion is scheduled: it cannot be read or written, but restored."""
    life: str = ""
    stages: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Staging labels by version id."""
    deletion: str = ""
    """When its deletion was scheduled, "" if it is not: that tells one deletion from a later one."""
    flagged: bool = False
    """Whether the secret is tagged as holding base64."""

    @classmethod
    def from_description(cls, body: Mapping[str, Any]) -> Seen:
        """Read the answer of DescribeSecret."""
        stages = body.get("VersionIdsToStages")
        return cls(
            exists=True,
            scheduled=bool(body.get("DeletedDate")),
            deletion=str(body.get("DeletedDate") or ""),
            life=life_of(body.get("ARN")),
            flagged=FLAG in (body.get("Tags") or ()),
            stages={key: frozenset(value) for key, value in stages.items()} if isinstance(stages, dict) else {},
        )

    @property
    def current(self) -> str:
        """The id of the current version, scheduled for deletion or not; "" if the secret has no value yet."""
        return next((key for key, stages in self.stages.items() if CURRENT in stages), "")

    @property
    def version(self) -> str:
        """The text of the version that is there, or `NOTHING`."""
        return version_text(self.current, self.life) if self.current and not self.scheduled else NOTHING

    @property
    def deleted(self) -> DeletedVersion | None:
        """What restoring the secret brings back, None if its deletion is not scheduled or it has no value."""
        if not self.current or not self.scheduled:
            return None
        return DeletedVersion(version_text(self.current, self.life), self.deletion)

    def was_current(self, version_id: str) -> bool:
        """Whether a version certainly is or was the current one, and not only staged."""
        return bool(self.stages.get(version_id, frozenset()) & {CURRENT, PREVIOUS})


def values_of(content: AwsContent) -> dict[str, Any]:
    """Return the fields in which a request carries a secret."""
    return {"SecretBinary": content.data} if content.text is None else {"SecretString": content.text}


def written(write_tag: str, answer: AwsAnswer) -> str:
    """Return the version that a write made. Raises `UnknownOutcomeError` if its answer names none."""
    try:
        return version_text(write_tag, life_of(answer.body.get("ARN")))
    except StoreRefusedError:
        pass
    raise UnknownOutcomeError("AWS took the write but named no version.", fix="Look it up.")


def conflict() -> StoreConflictError:
    """Return the error of a write or deletion that met another version."""
    return StoreConflictError("the secret in AWS is not the version that was to be replaced.")
