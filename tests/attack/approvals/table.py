"""What can be wrong with approvals, for each purpose that writes: who presents what, and how that ends.

Each case is a function that has anna execute one change on a scene, and the end that it comes to. In a case that does
not write on the way, the scene is one that all such cases of the purpose share: nothing may change it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import ConflictError, Error, NotAuthorizedError, NotFoundError, RateLimitedError, RefusedError
from monoskope.protocol.identity import Namespace, approval_statement
from monoskope.protocol.purposes import PURPOSES
from tests.attack.approvals.scenes import OTHER_KEYS, Purpose, Scene
from tests.support.approvals_world import ANNA, BEN, EVA, SETTER
from tests.support.ssh import signature

WRITING = [purpose for purpose, rules in PURPOSES.items() if rules.writes]
UPLOAD, PATCH, GENERATE = upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_PATCH, upload_pb2.PURPOSE_GENERATE
DELETE, UNDELETE = upload_pb2.PURPOSE_DELETE, upload_pb2.PURPOSE_UNDELETE
ROLLBACK, COPY = upload_pb2.PURPOSE_ROLLBACK, upload_pb2.PURPOSE_COPY

TWO = (BEN, EVA)
_SEALS_NOTHING = "nothing is sealed, so no key is approved"
_NO_CONTENT = "a change names a fingerprint where its content is put whole: nobody else knows the content beforehand"

Act = Callable[[Scene], Awaitable[object]]


@dataclass(frozen=True)
class Case:
    """One thing that is wrong.

    Attributes:
        act: Has anna execute a change.
        error: What she is told.
        says: A part of what the reactor's audit log says of it, or of what she is told.
        own: Whether it needs a scene of its own.
        absent: Whether nothing is there at first, where that can be put or generated.
        not_for: The purposes to which it does not apply, and why.
        apart: The error and the words where a purpose has others.
    """

    act: Act
    error: type[Error]
    says: str
    own: bool = False
    absent: bool = False
    not_for: Mapping[Purpose, str] = field(default_factory=dict)
    apart: Mapping[Purpose, tuple[type[Error], str]] = field(default_factory=dict)

    def ends(self, purpose: Purpose) -> tuple[type[Error], str]:
        """What anna is told, and what is said of it."""
        return self.apart.get(purpose, (self.error, self.says))

    async def is_refused(self, scene: Scene) -> None:
        """Act on a scene, and assert how that ends, and that the engines are as they were."""
        scene.before = scene.there()
        since = len(scene.stage.audit(scene.store))
        error, says = self.ends(scene.purpose)
        with pytest.raises(error) as caught:
            await self.act(scene)
        said = [caught.value.message, *(one["detail"] for one in scene.stage.audit(scene.store)[since:])]
        assert any(says in one for one in said), said
        assert scene.there() == scene.before


async def one_too_few(scene: Scene) -> None:
    change = await scene.change()
    await scene.present(change, scene.stage.approval(change, BEN))


async def the_requesters_own(scene: Scene) -> None:
    """By her key that signs the request, by another one that the list has, and by the first as somebody else."""
    change = await scene.change()
    own = scene.stage.approval(change, BEN, ANNA, "anna again", "anna as eva")
    await scene.present(change, own)


async def one_key_under_two_names(scene: Scene) -> None:
    change = await scene.change()
    await scene.present(change, scene.stage.approval(change, "one as ben", "one as eva"))


async def two_keys_of_one_name(scene: Scene) -> None:
    change = await scene.change()
    await scene.present(change, scene.stage.approval(change, BEN, "ben again"))


async def revoked_since(scene: Scene) -> None:
    change = await scene.change()
    await scene.stage.revoked()
    await scene.present(change, [*scene.stage.approval(change, BEN), scene.early["revoked"]])


async def certificate_ended_since(scene: Scene) -> None:
    change = await scene.change()
    await scene.stage.ended()
    await scene.present(change, [*scene.stage.approval(change, BEN), scene.early["ended"]])


async def wrong_namespace(scene: Scene) -> None:
    change = await scene.change()
    message = approval_statement(change.sha256)
    as_request = signature(scene.stage.company.key(EVA), message, Namespace.REQUEST.value)
    await scene.present(change, [*scene.stage.approval(change, BEN), as_request])


async def other_change(scene: Scene) -> None:
    """The same in everything but its id."""
    change, other = await scene.change(), await scene.change(reason="another one")
    await scene.present(change, [*scene.stage.approval(change, BEN), *scene.stage.approval(other, EVA)])


async def other_version(scene: Scene) -> None:
    """Somebody else wrote since: of a copy the source."""
    change = await scene.change()
    approvals = scene.stage.approval(change, *TWO)
    await scene.by_others("write")
    scene.before = scene.there()
    await scene.present(change, approvals)


async def other_identity(scene: Scene) -> None:
    change = await scene.change(identity=scene.stage.company.cluster.identities["files"])
    await scene.present(change, scene.stage.approval(change, *TWO))


async def other_requester(scene: Scene) -> None:
    change = await scene.change(requester=SETTER)
    await scene.present(change, scene.stage.approval(change, *TWO))


async def too_late(scene: Scene) -> None:
    change = await scene.change(not_after=int(time.time()) - 1)
    await scene.present(change, scene.stage.approval(change, *TWO))


async def too_far_ahead(scene: Scene) -> None:
    change = await scene.change(not_after=int(time.time()) + 25 * 3_600)
    await scene.present(change, scene.stage.approval(change, *TWO))


async def other_keys(scene: Scene) -> None:
    change = await scene.change()
    await scene.present(change, scene.stage.approval(change, *TWO), OTHER_KEYS)


async def other_fingerprint(scene: Scene) -> None:
    """Of another content, under the store's own fingerprint key."""
    change = await scene.change(fingerprint=f"{scene.hash.rpartition(':')[0]}:{'0' * 64}")
    await scene.present(change, scene.stage.approval(change, *TWO))


async def no_room_for_a_guess(scene: Scene) -> None:
    """Where the guesses are used up, even the right content is not written."""
    try:
        await other_fingerprint(scene)
    except ConflictError:
        change = await scene.change(fingerprint=await scene.fingerprint())
        await scene.present(change, scene.stage.approval(change, *TWO))


async def done_before(scene: Scene) -> None:
    """And what it expects is there again, where that can be brought about."""
    change = await scene.change()
    approvals = scene.stage.approval(change, *TWO)
    await scene.present(change, approvals)
    await scene.bring_back()
    scene.before = scene.there()
    await scene.present(change, approvals)


CASES: Mapping[str, Case] = {
    "one too few": Case(one_too_few, NotAuthorizedError, "takes 2 approvals, and 1 of 1 count"),
    "the requester's own": Case(the_requesters_own, NotAuthorizedError, "takes 2 approvals, and 1 of 4 count"),
    "one key under two names": Case(one_key_under_two_names, NotAuthorizedError, "takes 2 approvals, and 1 of 2 count"),
    "two keys of one name": Case(two_keys_of_one_name, NotAuthorizedError, "takes 2 approvals, and 1 of 2 count"),
    "revoked since": Case(revoked_since, NotAuthorizedError, "approval 2: revoked"),
    "certificate ended since": Case(certificate_ended_since, NotAuthorizedError, "approval 2: time"),
    "wrong namespace": Case(wrong_namespace, NotAuthorizedError, "approval 2: namespace"),
    "other change": Case(other_change, NotAuthorizedError, "approval 2: signature"),
    "other version": Case(
        other_version,
        ConflictError,
        "CONFLICT",
        own=True,
        apart={UNDELETE: (NotFoundError, "something is there again")},
    ),
    "other store's identity": Case(other_identity, NotAuthorizedError, "another identity"),
    "other requester": Case(other_requester, NotAuthorizedError, "another requester"),
    "too late": Case(too_late, NotAuthorizedError, "has ended"),
    "too far ahead": Case(too_far_ahead, NotAuthorizedError, "ends too late"),
    "other keys than approved": Case(
        other_keys,
        RefusedError,
        "BAD_PAYLOAD",
        not_for=dict.fromkeys((GENERATE, DELETE, UNDELETE, ROLLBACK, COPY), _SEALS_NOTHING),
    ),
    "fingerprint differs": Case(
        other_fingerprint,
        ConflictError,
        "not the one that was approved",
        own=True,
        not_for=dict.fromkeys((PATCH, GENERATE, DELETE, UNDELETE, ROLLBACK), _NO_CONTENT),
    ),
    "no room for a guess": Case(
        no_room_for_a_guess,
        RateLimitedError,
        "no guess is left",
        own=True,
        not_for=dict.fromkeys((PATCH, GENERATE, DELETE, UNDELETE, ROLLBACK), _NO_CONTENT),
    ),
    "done before": Case(done_before, ConflictError, "done already", own=True, absent=True),
}
"""Besides "enough", which all of them are held against."""
NAMED = """enough, one too few, the requester's own, one key under two names, two keys of one name, revoked since,
certificate ended since, wrong namespace, other change, other version, other store's identity, other requester,
too late, too far ahead, other keys than approved, fingerprint differs, no room for a guess, done before"""
"""What must be tried of each purpose, or said why not."""
