"""What users ask of a store and note about a secret, and what others change past m8."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.model.asking import Asking, contents, days, doors, tokens, uris
from tests.model.record import Content, DeniedError, Version, store_of


class Questions(Asking):
    """Rules that leave what is upstream as it is, and one that changes it past m8."""

    @rule(uri=uris, token=tokens, at=doors)
    def adopt(self, uri: str, token: str, at: int) -> None:
        def told() -> Version:
            self.record.may(self.record.holder(token), uri, "put", "see-hash")
            self.record.open(uri)
            now = self.record.something(uri).now
            assert now is not None
            return now

        end = self.ends(told, lambda client: client.import_secret(uri, timeout=self.patience), token, at)
        if end:
            now, result = end
            assert result.upstream_version == now.name
            self.looks.seen(now.content, result.hash)
            self.record.wrote(uri, "IMPORTED", now, self.record.holder(token), None)

    @rule(uri=uris, token=tokens, at=doors)
    def verify(self, uri: str, token: str, at: int) -> None:
        def told() -> str:
            member = self.record.holder(token)
            self.record.may(member, uri)
            if self.record.place(uri).head is None:
                raise DeniedError("NOT_FOUND")
            self.record.may(member, uri, "compare")
            self.record.open(uri)
            return self.record.verified(uri)

        end = self.ends(told, lambda client: client.verify_secret(uri, timeout=self.patience), token, at)
        if end:
            assert end[1].outcome == end[0]
            self.record.looked(uri, end[0])

    @rule(uri=uris, content=contents, token=tokens, at=doors)
    def compare(self, uri: str, content: Content, token: str, at: int) -> None:
        def told() -> bool:
            self.record.may(self.record.holder(token), uri, "compare")
            self.record.open(uri)
            now = self.record.place(uri).now
            return now is not None and now.content == content

        end = self.ends(told, lambda client: client.compare_secret(uri, content, timeout=self.patience), token, at)
        if end:
            assert end[1].equal == end[0]

    @rule(uri=uris, label=st.sampled_from((None, "a", "c")), day=days, token=tokens, at=doors)
    def edit(self, uri: str, label: str | None, day: str | None, token: str, at: int) -> None:
        if label is None and day is None:
            return

        def told() -> None:
            self.record.may(self.record.holder(token), uri, "put")
            head = self.record.place(uri).head
            if head is None or head.deleted:
                raise DeniedError("NOT_FOUND")

        if self.ends(
            told,
            lambda client: client.edit_notes(uri, {"team": label} if label else None, expires_on=day),
            token,
            at,
        ):
            self.record.edited(uri, self.record.holder(token), label, day)

    @rule(uri=uris, content=contents, gone=st.sampled_from((False, False, True)))
    def foreign(self, uri: str, content: Content, gone: bool) -> None:
        """Somebody changes the engine past m8."""
        path, place = tuple(uri.partition("://")[2].split("/")), self.record.place(uri)
        engine = self.world.engines[store_of(uri)]
        if not gone:
            place.line, place.aside = [*place.line, Version(engine.put(content, path), content)], []
        elif place.line:
            engine.set_aside(path)
            place.line, place.aside = [], place.line
