"""What somebody proposes, or does by breaking the glass: one secret of one store, with its values if there are any.

It is checked when it is made. What must be upstream is looked up when it is proposed: approvers approve one version.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import purposes
from monoskope.client.purposes import Expect, Expected, fitting, notes_of
from monoskope.client.walk.checks import attached, check_can, check_size
from monoskope.client.walk.results import RESULTS, Proven
from monoskope.client.walk.target import Target, check_text
from monoskope.client.walk.task import Notes, Result, Task
from monoskope.errors import RefusedError, UsageError
from monoskope.protocol.options import Options
from monoskope.protocol.purposes import PURPOSES, PurposeRules
from monoskope.protocol.recipes import Recipe, Recipes, check_recipes
from monoskope.value import Unshared, Value

if TYPE_CHECKING:
    from monoskope.protocol.change import Change


class Proposal(Unshared, Value, frozen=True, kw_only=True):
    """What is to be done. Make one with `put`, `patch`, `delete`, `undelete`, `rollback`, `copy` or `generate`.

    Arguments are those of the client's methods of these names. Each raises `UsageError` for what they would refuse.
    """

    hidden = frozenset({"plaintext", "options"})

    uri: str
    purpose: upload_pb2.Purpose
    expect: Expect | str = Expect.ANY
    """`Expect.ANY` means what m8 shows as there, or nothing; it is looked up when it is proposed."""
    plaintext: bytes = b""
    keys: tuple[str, ...] = ()
    """Of what is sealed, sorted."""
    options: Options | None = None
    notes: Notes = Notes()
    destroy: bool = False
    remove_keys: tuple[str, ...] = ()
    recipes: Recipes = ()
    destination: str = ""
    copied: tuple[str, ...] = ()
    """With a copy: the keys that are copied, sorted; () for all."""
    to: str = ""

    @classmethod
    def put(
        cls,
        uri: str,
        values: Mapping[str, bytes],
        *,
        expect: Expect | str = Expect.ANY,
        options: Options | None = None,
        labels: Mapping[str, str] | None = None,
        expires_on: dt.date | str | None = None,
    ) -> Proposal:
        """Propose to put a secret, as `Client.put_secret`."""
        return cls._made(
            uri,
            upload_pb2.PURPOSE_UPLOAD,
            expect,
            plaintext=purposes.encoded(values),
            keys=tuple(sorted(values)),
            options=options,
            notes=notes_of(labels, expires_on),
        )

    @classmethod
    def patch(
        cls,
        uri: str,
        values: Mapping[str, bytes],
        *,
        remove: Iterable[str] = (),
        expect: Expect | str = Expect.ANY,
        options: Options | None = None,
    ) -> Proposal:
        """Propose to set some keys of a secret and drop others, as `Client.patch_secret`."""
        plaintext, removes = purposes.changes(values, remove)
        return cls._made(
            uri,
            upload_pb2.PURPOSE_PATCH,
            expect,
            plaintext=plaintext,
            keys=tuple(sorted(values)),
            remove_keys=removes,
            options=options,
        )

    @classmethod
    def delete(cls, uri: str, *, expect: Expect | str = Expect.ANY, destroy: bool = False) -> Proposal:
        """Propose to delete a secret, as `Client.delete_secret`."""
        return cls._made(uri, upload_pb2.PURPOSE_DELETE, expect, destroy=destroy)

    @classmethod
    def undelete(cls, uri: str, *, expect: Expect | str = Expect.ANY) -> Proposal:
        """Propose to bring back a deleted secret, as `Client.undelete_secret`."""
        return cls._made(uri, upload_pb2.PURPOSE_UNDELETE, expect)

    @classmethod
    def rollback(cls, uri: str, to: str, *, expect: Expect | str = Expect.ANY) -> Proposal:
        """Propose to bring back an earlier version, as `Client.rollback_secret`."""
        return cls._made(uri, upload_pb2.PURPOSE_ROLLBACK, expect, to=purposes.checked_version(to))

    @classmethod
    def copy(
        cls, uri: str, destination: str, *, keys: Iterable[str] = (), expect: Expect | str = Expect.ANY
    ) -> Proposal:
        """Propose to copy a secret, or some keys of it, as `Client.copy_secret`; the version that is there now."""
        check_text(destination)
        keep = Notes(keep_labels=True, keep_expires_on=True)
        copied = purposes.copied_keys(keys)
        return cls._made(uri, upload_pb2.PURPOSE_COPY, expect, destination=destination, copied=copied, notes=keep)

    @classmethod
    def generate(
        cls,
        uri: str,
        recipes: Mapping[str, str],
        *,
        expect: Expect | str = Expect.ANY,
        labels: Mapping[str, str] | None = None,
        expires_on: dt.date | str | None = None,
    ) -> Proposal:
        """Propose that the store makes a secret that nobody sees, as `Client.generate_secret`."""
        made = check_recipes([Recipe.parse(key, text) for key, text in recipes.items()])
        notes = notes_of(labels, expires_on)
        return cls._made(uri, upload_pb2.PURPOSE_GENERATE, expect, recipes=made, notes=notes)

    @classmethod
    def _made(cls, uri: str, purpose: upload_pb2.Purpose, expect: Expect | str, **more: Any) -> Proposal:  # noqa: ANN401 - the fields of the type
        check_text(uri)
        if purposes.expectation(expect)[0] not in PURPOSES[purpose].expects:
            raise UsageError("what is absent cannot be changed, deleted or undeleted.", fix="Expect a version.")
        return cls(uri=uri, purpose=purpose, expect=expect, **more)

    @property
    def rules(self) -> PurposeRules:
        """The rules of its purpose."""
        return PURPOSES[self.purpose]

    def task(
        self,
        target: Target,
        expected: Expected,
        destination: Target | None = None,
        *,
        to_version: str = "",
        source_version: str = "",
        break_glass: str = "",
    ) -> Task:
        """Return what to do at a target.

        Args:
            target: The secret that it names.
            expected: What must be upstream.
            destination: With a copy: where to.
            to_version: With a rollback: the whole version.
            source_version: With a copy that takes approvals: the version that is copied.
            break_glass: Why it is done without approvals, or "".

        Raises:
            RefusedError: the store cannot do it.
        """
        rules = self.rules
        needs = "patchable" if rules.merges else "undeletable" if rules.undeletes else "rollbackable"
        if rules.merges or rules.restores:
            check_can(target.store, target.uri, needs)
        check_size(target.store, target.uri, len(self.plaintext))
        if destination is not None:
            purposes.check_copy(target, destination, self.copied)
        return Task(
            target.uri,
            self.purpose,
            self.plaintext,
            *expected,
            options=fitting(self.options, target),
            notes=self.notes,
            destroy=self.destroy,
            remove_keys=self.remove_keys,
            recipes=self.recipes,
            destination=None if destination is None else destination.uri,
            to_version=to_version,
            source_version=source_version,
            keys=self.copied,
            break_glass=break_glass,
        )


def check_approvable(source: Target, place: Target) -> None:
    """Check by what reactors announced that nothing but one version can be replaced; m8's word, so it only refuses.

    Args:
        source: Where the request goes.
        place: What it writes: with a copy the destination.

    Raises:
        RefusedError: the engine cannot do that, so nobody can approve what is written there.
    """
    announced = attached(place.store)
    if announced and not any(can.check_and_set for can in announced):
        raise RefusedError(
            f"{place.uri}: the store's engine cannot replace exactly one version, so it takes no approvals.",
            fix="Do it without approvals, or ask the store's operator.",
        )
    copied = attached(source.store) if source.uri != place.uri else []
    if copied and not any(can.source_versions for can in copied):
        raise RefusedError(
            f"{source.uri}: the store's reactor cannot copy exactly one version, so nobody can approve a copy.",
            fix="Ask the store's operator for a newer reactor, or propose a put.",
        )


def of_change(change: Change, plaintext: bytes, approvals: tuple[bytes, ...], *, awaits: bool) -> Task:
    """Return the task that executes a change. What is asked, the change says."""
    request = change.request
    return Task(
        request.uri,
        request.purpose,
        plaintext,
        destroy=request.destroy,
        destination=request.destination,
        change=change,
        approvals=approvals,
        awaits=awaits,
    )


def result_of(task: Task, result: Result) -> Proven:
    """Return what the receipt of a task proves. `purposes.copy` has that of a copy."""
    more: dict[str, Any] = {"destroyed": task.destroy} if task.purpose == upload_pb2.PURPOSE_DELETE else {}
    return RESULTS[task.purpose].of(task, result, **more)
