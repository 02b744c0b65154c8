"""What users change at a store, step by step."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.model.asking import PLACES, Asking, contents, days, doors, expects, labels, rarely, tokens, uris
from tests.model.record import Content, DeniedError, Version, store_of
from tests.model.world import STORES


class Writes(Asking):
    @rule(uri=uris, content=contents, expect=expects, labels=labels, day=days, token=tokens, at=doors)
    def put(  # noqa: PLR0917 - one argument for each choice
        self, uri: str, content: Content, expect: str, labels: Any, day: str | None, token: str, at: int
    ) -> None:
        model, real = self.named(uri, expect)

        def told() -> str:
            member = self.record.holder(token)
            self.record.may(member, uri, "put")
            self.record.open(uri)
            return self.record.put(uri, content, model)

        end = self.ends(
            told,
            lambda client: client.put_secret(
                uri, content, expect=real, labels=labels, expires_on=day, timeout=self.patience
            ),
            token,
            at,
        )
        if end:
            said, result = end
            assert result.outcome == said
            self.record.wrote(
                uri, said, self.new(result, content), self.record.holder(token), {"labels": labels, "expires_on": day}
            )

    @rule(uri=uris, content=contents, remove=st.sampled_from(("", "", "k")), expect=expects, token=tokens, at=doors)
    def patch(  # noqa: PLR0917 - one argument for each choice
        self, uri: str, content: Content, remove: str, expect: str, token: str, at: int
    ) -> None:
        if expect == "ABSENT":
            return
        content = {key: value for key, value in content.items() if key != remove}
        if not content and not remove:
            return
        model, real = self.named(uri, expect)

        def told() -> Content:
            self.record.may(self.record.holder(token), uri, "put", "see-hash")
            self.record.open(uri)
            return self.record.patched(uri, content, remove, model)

        end = self.ends(
            told,
            lambda client: client.patch_secret(
                uri, content, remove=[remove] if remove else [], expect=real, timeout=self.patience
            ),
            token,
            at,
        )
        if end:
            made, result = end
            now = self.record.place(uri).now
            assert now is not None
            assert result.outcome == ("UNCHANGED" if now.content == made else "UPLOADED")
            self.record.wrote(uri, result.outcome, self.new(result, made), self.record.holder(token), None)

    @rule(uri=uris, expect=expects, destroy=st.booleans(), token=tokens, at=doors)
    def delete(self, uri: str, expect: str, destroy: bool, token: str, at: int) -> None:
        if expect == "ABSENT":
            return
        model, real = self.named(uri, expect)

        def told() -> None:
            self.record.may(self.record.holder(token), uri, "delete")
            self.record.open(uri)
            self.record.something(uri)
            self.record.expected(uri, model)

        if self.ends(
            told,
            lambda client: client.delete_secret(uri, expect=real, destroy=destroy, timeout=self.patience),
            token,
            at,
        ):
            self.record.deleted(uri, self.record.holder(token), destroy=destroy)

    @rule(uri=uris, expect=expects, token=tokens, at=doors, anywhere=rarely)
    def undelete(self, uri: str, expect: str, token: str, at: int, anywhere: bool) -> None:
        if expect == "ABSENT":
            return

        def told(uri: str, token: str) -> Version:
            self.record.may(self.record.holder(token), uri, "undelete", "see-hash")
            self.record.open(uri)
            return self.record.undeleted(uri, self.named(uri, expect)[0])

        if not anywhere:
            uri, token = self.chosen(uri, token, told)
        _, real = self.named(uri, expect)
        end = self.ends(
            lambda: told(uri, token),
            lambda client: client.undelete_secret(uri, expect=real, timeout=self.patience),
            token,
            at,
        )
        if end:
            back, result = end
            assert result.upstream_version == back.name
            self.looks.seen(back.content, result.hash)
            self.record.wrote(uri, "UNDELETED", back, self.record.holder(token), None)

    @rule(uri=uris, oldest=st.booleans(), expect=expects, token=tokens, at=doors, anywhere=rarely)
    def rollback(self, uri: str, oldest: bool, expect: str, token: str, at: int, anywhere: bool) -> None:  # noqa: PLR0917
        def told(uri: str, token: str) -> Version:
            self.record.may(self.record.holder(token), uri)
            place = self.record.place(uri)
            if place.head is None:
                raise DeniedError("NOT_FOUND")
            self.record.may(self.record.holder(token), uri, "rollback", "see-hash")
            self.record.open(uri)
            self.record.expected(uri, self.named(uri, expect)[0])
            if not place.line:
                raise DeniedError("REFUSED")
            return place.line[0 if oldest else -1]

        if not anywhere:
            uri, token = self.chosen(uri, token, told)
        place, (_, real) = self.record.place(uri), self.named(uri, expect)
        there = [*place.line, *place.aside]
        if not there:
            return
        to = there[0 if oldest else -1]
        end = self.ends(
            lambda: told(uri, token),
            lambda client: client.rollback_secret(uri, to.name, expect=real, timeout=self.patience),
            token,
            at,
        )
        if end:
            self.record.wrote(uri, "ROLLED_BACK", self.new(end[1], to.content), self.record.holder(token), None)

    @rule(uri=uris, expect=expects, token=tokens, at=doors)
    def generate(self, uri: str, expect: str, token: str, at: int) -> None:
        model, real = self.named(uri, expect)

        def told() -> None:
            self.record.may(self.record.holder(token), uri, "put")
            self.record.open(uri)
            self.record.expected(uri, model)

        end = self.ends(
            told,
            lambda client: client.generate_secret(uri, {"k": "hex:16"}, expect=real, timeout=self.patience),
            token,
            at,
        )
        if end:
            made = dict(self.world.engines[store_of(uri)].content[tuple(uri.partition("://")[2].split("/"))][-1][1])
            notes = {"labels": None, "expires_on": None}
            self.record.wrote(uri, "UPLOADED", self.new(end[1], made), self.record.holder(token), notes)

    @rule(uri=uris, to=st.sampled_from(PLACES), expect=expects, token=tokens, at=doors, anywhere=rarely)
    def copy(self, uri: str, to: str, expect: str, token: str, at: int, anywhere: bool) -> None:  # noqa: PLR0917
        def told(uri: str, token: str) -> tuple[str, Content]:
            other, there = _destination(uri, to)
            member = self.record.holder(token)
            if not self.record.sees_store(member, other):
                raise DeniedError("NOT_FOUND")
            self.record.may(member, uri, "copy", "see-hash")
            self.record.may(member, there, "put")
            self.record.open(uri)
            now = self.record.something(uri).now
            assert now is not None
            if not self.record.active[other]:
                raise DeniedError("REFUSED")
            if not self.record.attached.get(other):
                raise DeniedError("UNAVAILABLE")
            return self.record.put(there, now.content, self.named(there, expect)[0]), now.content

        if not anywhere:
            uri, token = self.chosen(uri, token, told)
        _, there = _destination(uri, to)
        _, real = self.named(there, expect)
        end = self.ends(
            lambda: told(uri, token),
            lambda client: client.copy_secret(uri, there, expect=real, timeout=self.patience),
            token,
            at,
        )
        if end:
            (said, content), result = end
            notes = {"labels": None, "expires_on": None}
            assert result.outcome == said
            version = Version(result.destination_version, content)
            self.looks.seen(content, result.hash)
            self.record.wrote(there, said, version, self.record.holder(token), notes)

    @rule(
        what=st.sampled_from(("undelete", "rollback", "copy")), uri=uris, to=st.sampled_from(PLACES),
        oldest=st.booleans(), expect=st.sampled_from(("ANY", "OVERWRITE", "now")), token=tokens, at=doors,
    )  # fmt: skip
    def restore(  # noqa: PLR0917 - one argument for each choice
        self, what: str, uri: str, to: str, oldest: bool, expect: str, token: str, at: int
    ) -> None:
        """Do what needs something that was there before, and mostly can be done: so it is done often."""
        if what == "copy":
            self.copy(uri, to, expect, token, at, False)
        elif what == "rollback":
            self.rollback(uri, oldest, expect, token, at, False)
        else:
            places = self.record.places
            if not any(place.now is None and place.aside for place in places.values()):
                there = [each for each in (uri, *places) if self.record.place(each).now is not None]
                self.delete(there[0] if there else uri, "ANY", False, token, at)
            self.undelete(uri, expect, token, at, False)


def _destination(uri: str, to: str) -> tuple[str, str]:
    """The store to which a copy goes, and the place there."""
    other = next(store for store in STORES if store != store_of(uri))
    return other, f"{other}://{to}"
