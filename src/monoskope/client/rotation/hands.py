"""What a rotation asks of m8 and of stores. What it returns, receipts of pinned identities prove."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.purposes import Expect, Expected, encoded, expectation
from monoskope.client.purposes.copy import copy
from monoskope.client.rotation.round import Generate, Look, Place, Round, SetAccount, Switch, Sync, live_by
from monoskope.client.rotation.spec import PASSWORD, USERNAME, Rotation, name_of
from monoskope.client.session import Session
from monoskope.client.walk.task import Notes, Result, Task
from monoskope.errors import NotFoundError, RefusedError, UsageError
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.identity import ProofError
from monoskope.protocol.notes import check_labels
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.recipes import Recipe, check_recipes

if TYPE_CHECKING:
    from monoskope.client.queries import Queries
    from monoskope.client.walk.receipts import Proofs
    from monoskope.client.walk.results import Copy
    from monoskope.client.walk.target import Target
    from monoskope.protocol.request import Request

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
        self._recipes = {
            account: check_recipes([Recipe.parse(*one) for one in rotation.recipes_for(account).items()])
            for account in rotation.accounts
        }

    async def look(self) -> Look:
        """Return what is at all places. Each store is asked, so each engine has answered."""
        rotation = self._rotation
        uris = (rotation.secret, rotation.next, *rotation.accounts)
        targets = [await self._target(uri) for uri in uris]
        db, new, *accounts = await self._session.runtime.gather([self._place(target) for target in targets])
        made_by = await self._round(new) if new.sync is Sync.IN_SYNC else None
        ids = frozenset(target.store.fingerprint_key_id for target in targets) - {""}
        return Look(db, new, tuple(accounts), made_by, ids)

    async def account(self, uri: str) -> Place:
        """Return what is at one account."""
        return await self._place(await self._target(uri))

    async def live(self, look: Look) -> str | None:
        """Return the account whose name is at `db`: one guess each. Of two accounts the second where nothing is."""
        accounts = self._rotation.accounts
        if len(accounts) == 1 or look.db.version == "":
            return accounts[-1]
        target = await self._target(look.db.uri)
        differs = {}
        for account in accounts:
            name = encoded({USERNAME: name_of(account).encode()})
            result = await self._run(target, Task(target.uri, upload_pb2.PURPOSE_COMPARE, name))
            differs[account] = any(key == USERNAME for key, _ in result.receipt.differences)
        return live_by(differs)

    async def generate(self, step: Generate) -> Place:
        """Make new values, and return what is there."""
        target = await self._target(self._rotation.next)
        labels = check_labels(step.round.labels(self._rotation.every_s).items())
        task = Task(
            target.uri,
            upload_pb2.PURPOSE_GENERATE,
            b"",
            *_expected(step.expect),
            notes=Notes(labels=labels),
            recipes=self._recipes[step.round.account],
        )
        receipt = (await self._run(target, task)).receipt
        values = dict(receipt.values)
        return Place(str(target.uri), Sync.IN_SYNC, receipt.upstream_version, receipt.fingerprint, values)

    async def set_account(self, step: SetAccount) -> str:
        """Copy the password to the account, and return the version that is there."""
        copied = await self._copy(step.account, step.source, _expected(step.expect), (PASSWORD,))
        return copied.destination_version

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
                return Place(uri)
            newest = await self._newest(view)
            if result.receipt.verified_sha256 == newest.sha256:
                break
        else:
            raise ProofError(f"{uri}: the store was asked about another receipt than the newest that m8 shows")
        sync = _SYNC[result.receipt.outcome]
        if sync is Sync.DRIFTED:
            return Place(uri, sync, result.receipt.upstream_version)
        if sync is Sync.GONE:
            return Place(uri, sync)
        if newest.outcome == upload_pb2.OUTCOME_DELETED:
            return Place(uri)
        return Place(uri, sync, newest.upstream_version, newest.fingerprint, dict(newest.values))

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

    async def _round(self, new: Place) -> Round | None:
        """Return the round whose first request made what is at `next`; labels are those that its grant signed."""
        view = await self._session.queries.secret(new.uri)
        made = await generated(self._session.queries, self._session.proofs, new.uri, view.request_id)
        if made is None or (made[1].upstream_version, made[1].fingerprint) != (new.version, new.hash):
            return None
        try:
            return Round.parse(dict(made[0].labels))
        except UsageError:
            return None


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


def _expected(version: str | None) -> Expected:
    """Return what must be there: a version, "" for nothing, None for whatever is there."""
    if version is None:
        return expectation(Expect.OVERWRITE)
    return expectation(version or Expect.ABSENT)
