"""Changes to a secret that is there, and what must be true of each that succeeded."""

from __future__ import annotations

from collections.abc import Callable

from monoskope.api.secrets.v1 import upload_pb2
from tests.crash.breaking import Command, Crash
from tests.support.engines import Version


def check_patched(crash: Crash, put: Command, patching: Command) -> None:
    """It succeeded, once, by the receipt that was shown, with the hash of the whole."""
    ran = patching.succeeded()
    requests = crash.audit.all_end(put.uri)
    before, after = crash.audit.history(put.uri)
    assert before.content == {"password": put.value}
    assert after == Version(ran.json()["upstream_version"], {"password": put.value, "user": patching.value})
    receipt = requests[ran.json()["request_id"]].receipt
    assert receipt is not None
    assert (receipt.outcome, receipt.upstream_version) == (upload_pb2.OUTCOME_UPLOADED, after.text)
    assert [key for key, _ in receipt.values] == ["password", "user"]
    crash.audit.answers_agree(requests)


def check_deleted(crash: Crash, put: Command, deleting: Command) -> None:
    """It succeeded, once, by the receipt that was shown, and nothing else happened to the secret."""
    ran = deleting.succeeded()
    requests = crash.audit.all_end(put.uri)
    [deleted] = [one.receipt for one in requests.values() if "SecretDeleted" in one.types]
    [version] = crash.audit.history(put.uri)
    assert version.content is None
    assert deleted is not None
    assert (deleted.outcome, deleted.prior_version) == (upload_pb2.OUTCOME_DELETED, version.text)
    assert ran.json()["deleted_version"] == version.text
    crash.audit.answers_agree(requests)


Change = Callable[..., Command]
CHANGES: dict[str, tuple[Change, Callable[[Crash, Command, Command], None]]] = {
    "patch": (Crash.patch, check_patched),
    "delete": (Crash.delete, check_deleted),
}
