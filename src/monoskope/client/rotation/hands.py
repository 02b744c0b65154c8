"""What a rotation asks of m8 and of stores. What it returns, receipts of pinned identities prove."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client.purposes import Expect, Expected, encoded, expectation
from monoskope.client.purposes.copy import copy
from monoskope.client.queries import EventFilter
from monoskope.client.rotation.decide import live_by
from monoskope.client.rotation.round import LATE_S, Generate, Look, Place, Round, SetAccount, Switch, Sync
from monoskope.client.rotation.spec import PASSWORD, USERNAME, Rotation, name_of
from monoskope.client.rotation.walk import Copied, RotationStoppedError
from monoskope.client.session import Session
from monoskope.client.walk.checks import attached, check_can, check_copies_to
from monoskope.client.walk.task import Notes, Result, Task
from monoskope.errors import ConflictError, NotFoundError, RefusedError, UsageError
from monoskope.failpoints import WAIT, shift_ms
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.identity import ProofError
from monoskope.protocol.notes import check_labels
from monoskope.protocol.receipt import Receipt
from monoskope.times import wall_clock

if TYPE_CHECKING:
    from monoskope.client.queries import Queries
    from monoskope.client.walk.receipts import Proofs
    from monoskope.client.walk.results import Copy
    from monoskope.client.walk.target import Target
    from monoskope.protocol.request import Request

_EVENTS = 32
"""How many of the newest events at a place say whether something is written there."""
_RECENT_MS = 86_400_000
"""How old these are at most: a key lives an hour, and a clock in the wrong time zone is wrong by 14 at most.

Without it m8 reads its whole log where a place has fewer events than that.
"""
_WRITING = events_pb2.SecretUploadStarted.DESCRIPTOR.name
"""The last event of a request while its store writes."""
_SYNC = {
    upload_pb2.OUTCOME_IN_SYNC: Sync.IN_SYNC,
    upload_pb2.OUTCOME_DRIFTED: Sync.DRIFTED,
    upload_pb2.OUTCOME_GONE: Sync.GONE,
}


class SessionHands:
    """The `Hands` of one client.

    Args:
        session: The client's.
        rotation: What is rotated.
        timeout_s: For each request.
    """

    def __init__(self, session: Session, rotation: Rotation, timeout_s: float) -> None:
        self._session = session
        self._rotation = rotation
        self._timeout_s = timeout_s
        self._unknown: set[str] = set()
        """Of which m8 knew no receipt when they were looked at."""

    async def wait(self, seconds: float, why: str) -> None:
        """Wait so long, by the runtime's clock."""
        self._session.notify(f"{why} It is looked at again in {seconds:g} s.")
        await self._session.runtime.sleep(max(0.0, seconds + shift_ms(WAIT) / 1000))

    async def look(self) -> Look:
        """Return what is at all places. Each store is asked, so each engine has answered.

        Raises:
            RefusedError: a store announced that a step would fail there.
        """
        rotation = self._rotation
        targets = [await self._target(uri) for uri in (rotation.secret, rotation.next, *rotation.accounts)]
        check_can(targets[0].store, targets[0].uri, "check_and_set")
        check_can(targets[0].store, targets[0].uri, "copied_keys")
        for target in (targets[0], *targets[2:]):
            check_copies_to(targets[1], target.uri)
        places = await self._session.runtime.gather([self._place(target) for target in targets])
        db, new, *accounts = places
        round_, is_ours = await self._round(new) if new.sync is Sync.IN_SYNC else (None, True)
        return Look(
            db,
            new,
            tuple(accounts),
            round_,
            is_ours,
            frozenset([place.key_id for place in places] + [target.store.fingerprint_key_id for target in targets])
            - {""},
            max(place.lifetime_s for place in places) + LATE_S,
            any(can.approvals for target in targets for can in attached(target.store)),
        )

    async def is_written(self, look: Look) -> bool:
        """Return whether a write at one of the places has begun and not ended, by m8's word."""
        recent = EventFilter(since_ms=wall_clock() - _RECENT_MS)
        for place in (look.db, look.next, *look.accounts):
            last: dict[str, str] = {}
            for event in await self._session.queries.last_events(_EVENTS, prefix=place.uri, wanted=recent):
                if event.uri == place.uri:
                    last[event.stream] = event.type
            if _WRITING in last.values():
                return True
        return False

    async def account(self, uri: str) -> Place:
        """Return what is at one account."""
        return await self._place(await self._target(uri))

    async def live(self, look: Look) -> str | None:
        """Return the account whose name is at `db`: one guess each. The last one where nothing is.

        Raises:
            ConflictError: the store says that another version is there than m8 showed.
        """
        accounts = self._rotation.accounts
        target = await self._target(look.db.uri)
        differs = {}
        for account in accounts:
            name = encoded({USERNAME: name_of(account).encode()})
            receipt = (await self._run(target, Task(target.uri, upload_pb2.PURPOSE_COMPARE, name))).receipt
            if receipt.upstream_version != look.db.version:
                raise ConflictError(
                    f"{target.uri}: the store has something else there than m8 shows; nothing was changed.",
                    fix="Run it again. If it stays so, m8 hides what it knows: compare its log.",
                )
            differs[account] = any(key == USERNAME for key, _ in receipt.differences)
        return accounts[-1] if len(accounts) == 1 or look.db.version == "" else live_by(differs)

    async def rehearse(self, look: Look) -> None:
        """Make the copies of the round that is over again; they find what they copy."""
        assert look.round is not None
        account = look.account(look.round.account)
        assert account is not None, "`decide` has looked for it"
        version = None if account.sync is Sync.UNREADABLE else account.version
        await self.set_account(SetAccount(account.uri, look.next.version, version))
        there = await self.switch(Switch(look.next.version, look.db.version))
        if there.version != look.db.version:
            # Its store had no guess left to find that it is there already. A round for the former version would end.
            raise RotationStoppedError(f"{there.uri}: the same values were written there again.", fix="Run it later.")

    async def generate(self, step: Generate) -> Place:
        """Make new values, and return what is there. An account that was never set is asked for first."""
        if step.round.account in self._unknown:
            await self._served(await self._target(step.round.account))
        target = await self._target(self._rotation.next)
        labels = check_labels(step.round.labels(self._rotation.every_s).items())
        task = Task(
            target.uri,
            upload_pb2.PURPOSE_GENERATE,
            b"",
            *_expected(step.expect),
            notes=Notes(labels=labels),
            recipes=self._rotation.recipes_for(step.round.account),
        )
        receipt = (await self._run(target, task)).receipt
        values = dict(receipt.values)
        return Place(str(target.uri), Sync.IN_SYNC, receipt.upstream_version, receipt.fingerprint, values)

    async def set_account(self, step: SetAccount) -> Copied:
        """Copy the password to the account."""
        copied = await self._copy(step.account, step.source, _expected(step.expect), (PASSWORD,))
        return Copied(copied.destination_version, copied.outcome == "UNCHANGED")

    async def switch(self, step: Switch) -> Place:
        """Copy everything to `db`, and return what is there."""
        copied = await self._copy(self._rotation.secret, step.source, _expected(step.expect), ())
        return Place(copied.destination, Sync.IN_SYNC, copied.destination_version, copied.hash, copied.values)

    async def _copy(self, to: str, source: str, expected: Expected, keys: tuple[str, ...]) -> Copy:
        target, destination = await self._target(self._rotation.next), await self._target(to)
        walk = self._session.walk(target, self._timeout_s)
        return await copy(walk, target, destination, expected, keys, source)

    async def _target(self, uri: str) -> Target:
        return await self._session.target(uri, self._timeout_s)

    async def _run(self, target: Target, task: Task) -> Result:
        return await self._session.walk(target, self._timeout_s).run(task)

    async def _place(self, target: Target) -> Place:
        """Return what is at one place: the store compares it with the very receipt that m8 shows as the newest."""
        uri = str(target.uri)
        for _ in range(2):
            try:
                view = await self._session.queries.secret(uri)
                result = await self._run(target, Task(target.uri, upload_pb2.PURPOSE_VERIFY))
            except NotFoundError:
                exact = uri not in self._rotation.accounts or any(can.check_and_set for can in attached(target.store))
                self._unknown.add(uri)
                return Place(uri, Sync.ABSENT if exact else Sync.UNREADABLE)
            except RefusedError as error:
                # Of an account that is enough: it is set whatever is there. Not on m8's word, which no grant is behind.
                if uri not in self._rotation.accounts or not error.lifetime_s or error.reason_name != "CANNOT_READ":
                    raise
                return Place(uri, Sync.UNREADABLE, lifetime_s=error.lifetime_s)
            newest = await self._newest(view)
            if result.receipt.verified_sha256 == newest.sha256:
                break
        else:
            raise ProofError(f"{uri}: the store was asked about another receipt than the newest that m8 shows")
        assert result.grant is not None
        grant = parse_grant(result.grant.content)
        found = _found(view, newest, result.receipt)
        return structs.replace(found, key_id=grant.fingerprint_key_id, lifetime_s=grant.lifetime_s)

    async def _served(self, target: Target) -> None:
        """Ask whether the store serves an account of which m8 knows no receipt. Raises `RefusedError`."""
        if any(can.readable for can in attached(target.store)):
            return  # an import there would be one
        try:
            # Nobody can read an account, so it ends before there is a key; whatever else is wrong ends it sooner.
            await self._run(target, Task(target.uri, upload_pb2.PURPOSE_IMPORT))
        except RefusedError as error:
            if error.reason_name != "CANNOT_READ":
                raise

    async def _newest(self, view: views_pb2.Secret) -> Receipt:
        if not view.HasField("receipt"):
            raise RefusedError(
                f"{view.uri}: a rotation looks at receipts, and m8 shows you none.",
                fix="Ask an administrator for the right `see-hash` at the secret and at its accounts.",
            )
        checked = await self._session.proofs.newest(view.uri, view.receipt)
        if checked.receipt is None:
            raise ProofError(f"{view.uri}: {checked.why_not}")
        return checked.receipt

    async def _round(self, new: Place) -> tuple[Round | None, bool]:
        """Return the round whose first request made what is at `next`, and whether by the recipes of this rotation.

        Labels and recipes are those that its grant signed.
        """
        made = await generated(self._session.queries, self._session.proofs, new.uri, new.request_id)
        if made is None or (made[1].upstream_version, made[1].fingerprint) != (new.version, new.hash):
            return None, True
        try:
            found = Round.parse(dict(made[0].labels))
            return found, made[0].recipes == self._rotation.recipes_for(found.account)
        except UsageError:
            return None, True


async def generated(queries: Queries, proofs: Proofs, uri: str, request_id: bytes) -> tuple[Request, Receipt] | None:
    """Return what made the values at `uri`, as the grant signed it, and its receipt; None if no GENERATE is proven.

    Raises:
        ProofError: m8 shows a proof that is none.
    """
    answer = await queries.upload_answer(request_id)
    checked = await proofs.upload(answer, request_id)
    if checked.is_false:
        raise ProofError(f"{uri}: {checked.why_not}")
    if checked.receipt is None or not checked.proven or answer.upload.uri != uri:
        return None
    request = parse_grant(answer.upload.grant.content).request
    return (request, checked.receipt) if request.purpose == upload_pb2.PURPOSE_GENERATE else None


def _found(view: views_pb2.Secret, newest: Receipt, verified: Receipt) -> Place:
    """Return what is at a place by the newest receipt, and the one that compared with it."""
    sync = _SYNC[verified.outcome]
    if sync is Sync.DRIFTED:
        return Place(view.uri, sync, verified.upstream_version)
    if sync is Sync.GONE:
        return Place(view.uri, sync)
    if newest.outcome == upload_pb2.OUTCOME_DELETED:
        return Place(view.uri)
    values = dict(newest.values)
    found = (newest.upstream_version, newest.fingerprint, values, view.uploaded_at_ms, view.request_id)
    return Place(view.uri, sync, *found)


def _expected(version: str | None) -> Expected:
    """Return what must be there: a version, "" for nothing, None for whatever is there."""
    if version is None:
        return expectation(Expect.OVERWRITE)
    return expectation(version or Expect.ABSENT)
