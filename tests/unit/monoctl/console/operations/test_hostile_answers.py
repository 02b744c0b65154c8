"""What a hostile m8 answers: none of it is called proven, none of it is pinned, and none of it breaks the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.errors import IdentityChangedError, UsageError
from monoskope.testing.cluster.identities import Identity
from tests.unit.monoctl.console.operations.knowing_m8 import VALUE, AtConsole, KnowingM8, at_console

URI = "vault://app/db"
LOOK_ALIKE = [
    "v\u0430ult://app/db",  # with a Cyrillic letter
    "vault://app/db\u200b",
    "\u202evault://app/db",
    "VAULT://app/db",
    "vault://app/db ",
    "vault://x/../app/db",
    "vault://app/other",
    "local://app/db",
    "javascript:alert(1)",
    "<img src=x onerror=alert(1)>",
    "__proto__://app/db",
    f"vault://{100_000 * 'x'}",
]


async def listed(at: AtConsole) -> dict[str, dict[str, object]]:
    """What the page is shown of all secrets, once all are read."""
    await at.load()
    return {secret["uri"]: secret for secret in (await at.ask("secrets", page_size=200))["secrets"]}


async def test_a_receipt_proves_the_secret_alone_that_it_names(page: AtConsole) -> None:
    await page.ask("put", {"password": VALUE}, uris=[URI])
    for uri in LOOK_ALIKE:
        copy = views_pb2.Secret(uri=uri)
        copy.MergeFrom(page.m8.secrets[URI])
        copy.uri = uri
        page.m8.secrets[uri] = copy
    shown = await listed(page)
    assert (set(shown), [uri for uri in shown if shown[uri]["proven"]]) == ({URI, *LOOK_ALIKE}, [URI])
    # No identity of `local` is pinned, so nobody can say that it is false.
    assert [uri for uri in shown if not shown[uri]["is_false"]] == ["local://app/db", URI]


async def test_a_look_alike_is_nothing_that_can_be_put_to(page: AtConsole) -> None:
    for uri in ("v\u0430ult://app/db", "vault\u200b://app/db", "VAULT://app/db"):
        with pytest.raises(UsageError):
            await page.ask("put", {"password": VALUE}, uris=[uri])
    assert not page.m8.secrets


async def test_one_secret_that_m8_makes_up_hides_no_other(page: AtConsole) -> None:
    await page.ask("put", {"password": VALUE}, uris=[URI])
    wrong = page.m8.know("vault://wrong", expires_on="\u202enever", verified=99)
    wrong.uploaded_at_ms, wrong.verified_at_ms, wrong.notes_changed_at_ms = -(2**63), 2**63 - 1, 2**62
    for number in range(20_000):
        wrong.labels.add(name=f"label-{number}", value="x")
    for key in ("__proto__", "constructor", "\x1b[2J", 100_000 * "k"):
        wrong.values.add(key=key, fingerprint="fp1:" + 100 * "…0")
    for kind, detail in (
        ("constructor", "constructor"),
        ("SecretUploadFailed", "__proto__, x"),
        ("SecretUploaded", ""),
    ):
        page.m8.record(kind, "\u202e", detail, stream="s")
    for event, moment in zip(page.m8.events, (2**63 - 1, -5, 2**62), strict=True):
        event.recorded_at_ms = moment
    shown = await listed(page)
    assert shown[URI]["proven"]
    assert not shown["vault://wrong"]["proven"]
    for operation in ("groups", "expiring", "drift", "status", "events"):
        assert await page.ask(operation)
    assert (await page.ask("activity", days=366))["complete"]


async def test_two_pages_that_agree_to_two_identities_have_one_of_them_refused(tmp_path: Path) -> None:
    async with at_console(tmp_path, pins=False) as at:
        first = at.m8.stores["vault"].identity
        other = Identity().shown

        async def agree(identity: str) -> object:
            # m8 shows each page the identity that it is to agree to.
            at.m8.stores["vault"].identity = identity
            return await at.ask("pin", store="vault", identity=identity)

        assert await agree(first) == {"store": "vault", "identity": first}
        with pytest.raises(IdentityChangedError):
            await agree(other)
        [store] = (await at.ask("stores"))["stores"]
        assert (store["identity_state"], store["pinned"]) == ("changed", first)


async def test_nothing_is_sent_to_a_store_that_nobody_has_agreed_to_or_that_has_another_name(tmp_path: Path) -> None:
    m8 = KnowingM8()
    async with at_console(tmp_path, m8, pins=False) as at:
        [row] = (await at.ask("put", {"password": VALUE}, uris=[URI]))["results"]
        assert row["failed"]["code"] == "NOT_AGREED"
        await at.ask("pin", store="vault", identity=m8.stores["vault"].identity)
        renamed = views_pb2.SecretStore()
        renamed.CopyFrom(m8.stores["vault"])
        renamed.name = "safe"
        m8.stores["safe"] = renamed
        [row] = (await at.ask("put", {"password": VALUE}, uris=["safe://app/db"]))["results"]
        assert row["failed"]["code"] == "IDENTITY_CHANGED"
        assert not m8.secrets
