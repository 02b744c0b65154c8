"""What the page is shown: proven or not, from the kept secrets, and all of it even while m8 is away."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.login.credential import KeptLogin, Login
from monoskope.client.login.renewing import write
from monoskope.errors import IdentityChangedError, NotFoundError, UnauthenticatedError, UsageError
from monoskope.monoctl.console.activity import summary
from monoskope.monoctl.console.overview import happened
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import token
from monoskope.testing.scripted.log import ScriptedLog, ScriptedWitness
from monoskope.testing.scripted.m8 import FINGERPRINT, Attempt
from tests.unit.monoctl.console.operations.knowing_m8 import AT_MS, CONTEXT, VALUE, AtConsole, KnowingM8, at_console

DAY_MS = 86_400_000


async def test_whoami_is_m8s_word(page: AtConsole) -> None:
    me = await page.ask("whoami")

    assert (me["subject"], me["role"], me["m8_version"], me["away"]) == ("alice", "user", "9", "")
    assert me["monoctl_version"]
    assert me["context"] == CONTEXT
    assert "put" in me["rights"]


async def test_whoami_says_why_m8_does_not_answer(page: AtConsole) -> None:
    page.m8.failing["GetServer"] = [UnauthenticatedError("the token has expired.")]

    me = await page.ask("whoami")

    assert me["subject"] == ""
    assert "expired" in me["away"]
    assert me["server"] == page.m8.server


async def test_the_table_is_searched_sorted_and_paged(page: AtConsole) -> None:
    for number in range(5):
        page.m8.know(f"vault://app/{number}", upstream_version=str(number), deleted=number == 4)
    await page.load()

    answer = await page.ask("secrets", search="app", sort="version", descending=True, page_size=2, page=1)

    assert [row["uri"] for row in answer["secrets"]] == ["vault://app/1", "vault://app/0"]
    assert (answer["total"], answer["loaded"], answer["complete"], answer["note"]) == (4, 5, True, "")
    assert (answer["stores"], answer["statuses"]) == ({"vault": 4}, {"": 4, "DELETED": 1})
    assert page.told[-1] == {"kind": "secrets", "loaded": 5, "complete": True}


async def test_only_what_a_receipt_proves_is_called_proven(page: AtConsole) -> None:
    await page.ask("put", {"password": VALUE}, uris=["vault://app/a"])
    await page.ask("put", {"password": VALUE}, uris=["vault://app/b"])
    page.m8.secrets["vault://app/b"].upstream_version = "8"
    page.m8.know("vault://app/c")
    await page.load()

    answer = await page.ask("secrets")

    shown = {row["uri"][-1]: (row["proven"], row["is_false"]) for row in answer["secrets"]}
    assert shown == {"a": (True, False), "b": (False, True), "c": (False, False)}
    unproven = await page.ask("secrets", state="unproven")
    assert [row["uri"][-1] for row in unproven["secrets"]] == ["b", "c"]


async def test_a_remembered_proof_does_not_outlive_its_pin(tmp_path: Path) -> None:
    async with at_console(tmp_path) as page:
        await page.ask("put", {"password": VALUE}, uris=["vault://app/a"])
        [row] = (await page.ask("secrets"))["secrets"]
        assert row["proven"]

        pins = tmp_path / "known_stores"
        pins.write_text("\n".join(line for line in pins.read_text().split("\n") if "@default" in line))

        [row] = (await page.ask("secrets"))["secrets"]
        assert not row["proven"]
        assert "pinned" in row["why_not_proven"]


async def test_equal_values_are_counted_and_grouped(page: AtConsole) -> None:
    for uri in ("vault://app/a", "vault://app/b", "vault://web/c"):
        await page.ask("put", {"password": VALUE}, uris=[uri])

    [row] = (await page.ask("secrets", search="app/a"))["secrets"]
    groups = await page.ask("groups")

    assert (row["same_elsewhere"], groups["keys_read"]) == (2, 3)
    [group] = groups["groups"]
    assert group["fingerprint"] == FINGERPRINT
    assert [place["uri"] for place in group["places"]] == ["vault://app/a", "vault://app/b", "vault://web/c"]


async def test_below_a_prefix_m8_is_asked_if_not_all_are_kept(page: AtConsole) -> None:
    page.m8.know("vault://app/a")
    page.m8.know("vault://web/b")
    page.context.secrets._most = 1
    task = asyncio.create_task(page.context.secrets.run())
    while not page.context.secrets.is_full:
        await asyncio.sleep(0)

    answer = await page.ask("secrets", prefix="vault://web")

    assert [row["uri"] for row in answer["secrets"]] == ["vault://web/b"]
    assert answer["note"]
    task.cancel()


async def test_one_secret_and_its_history(page: AtConsole) -> None:
    await page.ask("put", {"password": VALUE}, uris=["vault://app/a"])

    secret = await page.ask("secret", uri="vault://app/a")
    history = (await page.ask("versions", uri="vault://app/a"))["versions"]

    assert secret["proven"]
    assert [(one["outcome"], one["proven"]) for one in history] == [("EDITED", False), ("UPLOADED", True)]
    with pytest.raises(NotFoundError):
        await page.ask("secret", uri="vault://app/none")


async def test_a_request_shows_its_end_only_by_its_receipt(page: AtConsole) -> None:
    done = await page.ask("put", {"password": VALUE}, uris=["vault://app/a"])
    request_id = done["results"][0]["done"]["request_id"]

    upload = await page.ask("upload", request_id=request_id)

    assert (upload["request_id"], upload["outcome"], upload["proven"]) == (request_id, "UPLOADED", True)
    with pytest.raises(UsageError, match="request id"):
        await page.ask("upload", request_id="latest")


async def test_a_request_that_failed_says_why_and_what_to_do(page: AtConsole) -> None:
    asked: list[bytes] = []

    def end(attempt: Attempt) -> views_pb2.SecretUpload:
        asked.append(attempt.request.request_id)
        view = page.m8.ended(attempt, attempt.failure(upload_pb2.REASON_CONFLICT), upload_pb2.REASON_CONFLICT)
        view.grant.CopyFrom(attempt.signed_grant())
        return view

    page.m8.end = end
    put = await page.ask("put", {"password": VALUE}, uris=["vault://app/a"])

    upload = await page.ask("upload", request_id=asked[0].hex())

    assert (upload["outcome"], upload["reason"], upload["proven"]) == ("FAILED", "CONFLICT", True)
    said = put["results"][0]["failed"]
    assert {name: upload["failure"][name] for name in ("message", "fix")} == {
        name: said[name] for name in ("message", "fix")
    }


async def test_events_are_the_newest_first_with_their_request(page: AtConsole) -> None:
    page.m8.record("SecretStoreCreated", "", "vault", stream="store/vault")
    page.m8.record("SecretUploaded", "vault://app/a", "UPLOADED, version 7", stream=f"upload/{'ab' * 16}")

    events = (await page.ask("events", limit=10))["events"]

    assert [(event["type"], event["request_id"]) for event in events] == [
        ("SecretUploaded", "ab" * 16),
        ("SecretStoreCreated", ""),
    ]


async def test_older_events_come_page_by_page_also_from_an_m8_that_ignores_where_to_begin(page: AtConsole) -> None:
    for number in range(7):
        page.m8.record("SecretUploaded", f"vault://app/{number}")
    seen: list[int] = []
    while True:
        events = (await page.ask("events", limit=3, before=seen[-1] if seen else 0))["events"]
        if not events:
            break
        seen += [event["position"] for event in events]
    assert seen == [7, 6, 5, 4, 3, 2, 1]


async def test_what_happens_now_is_told_as_events_are_answered(page: AtConsole) -> None:
    page.m8.record("SecretUploaded", "vault://app/a", "UPLOADED, version 7", stream=f"upload/{'ab' * 16}")

    happened(page.context, page.m8.events[0])

    [event] = (await page.ask("events", limit=10))["events"]
    assert (page.told, event["request_id"]) == ([{"kind": "event", "event": event}], "ab" * 16)


# --- stores and pins ---


@pytest.mark.parametrize("operation", ["events", "secrets"])
async def test_what_is_pasted_by_mistake_for_a_prefix_is_not_sent_to_m8(page: AtConsole, operation: str) -> None:
    calls = list(page.m8.calls)
    for text in ("PASSWORD=correct horse", "correct-horse-battery-staple"):
        with pytest.raises(UsageError):
            await page.ask(operation, prefix=text)
    assert page.m8.calls == calls


async def test_a_store_nobody_agreed_to_is_new_until_it_is_pinned(tmp_path: Path) -> None:
    async with at_console(tmp_path, pins=False) as page:
        [store] = (await page.ask("stores"))["stores"]
        assert (store["identity_state"], store["pinned"], store["identity_message"]) == ("new", "", "")

        pinned = await page.ask("pin", store="vault", identity=store["identity"])

        assert pinned == {"store": "vault", "identity": store["identity"]}
        [store] = (await page.ask("stores"))["stores"]
        assert (store["identity_state"], store["pinned"]) == ("pinned", store["identity"])
        answer = await page.ask("put", {"password": VALUE}, uris=["vault://app/a"])
        assert "done" in answer["results"][0]


async def test_an_identity_that_m8_does_not_show_is_not_pinned(tmp_path: Path) -> None:
    async with at_console(tmp_path, pins=False) as page:
        with pytest.raises(IdentityChangedError, match="it shows"):
            await page.ask("pin", store="vault", identity=Identity().shown)
        with pytest.raises(UsageError, match="identity"):
            await page.ask("pin", store="vault", identity="SHA256:short")

        assert not (tmp_path / "known_stores").exists()
        [store] = (await page.ask("stores"))["stores"]
        assert store["identity_state"] == "new"


async def test_a_changed_identity_is_a_full_stop_that_no_pin_removes(page: AtConsole, tmp_path: Path) -> None:
    before, other = (tmp_path / "known_stores").read_text(), Identity()
    page.m8.stores["vault"].identity = other.shown

    [store] = (await page.ask("stores"))["stores"]

    assert (store["identity_state"], store["pinned"]) == ("changed", page.m8.identity.shown)
    assert other.shown in store["identity_message"]
    assert "Put nothing" in store["identity_fix"]
    for identity in (other.shown, page.m8.identity.shown):
        with pytest.raises(IdentityChangedError):
            await page.ask("pin", store="vault", identity=identity)
    assert (tmp_path / "known_stores").read_text() == before


async def test_signed_steps_are_followed_only_to_see_where_they_lead(page: AtConsole, tmp_path: Path) -> None:
    before, later = (tmp_path / "known_stores").read_text(), Identity()
    page.m8.stores["vault"].rotations.append(page.m8.identity.rotate(later, "vault"))
    page.m8.stores["vault"].identity = later.shown

    [store] = (await page.ask("stores"))["stores"]

    assert (store["identity_state"], store["pinned"]) == ("pinned", page.m8.identity.shown)
    assert (tmp_path / "known_stores").read_text() == before


async def test_the_status_has_stores_and_counts(page: AtConsole) -> None:
    page.m8.know("vault://app/a", drifted=True)
    page.m8.record("SecretUploaded", "vault://app/a")
    await page.load()

    status = await page.ask("status")

    assert (status["figures"]["present"], status["figures"]["drifted"], status["head"]) == (1, 1, 1)
    assert ([store["name"] for store in status["stores"]], status["server"]["subject"]) == (["vault"], "alice")
    assert status["log"] is None
    drift = await page.ask("drift")
    assert [row["status"] for row in drift["secrets"]] == ["OVERWROTE"]
    assert await page.ask("expiring") == {"days": [], "without": 1}


async def test_the_status_shows_the_log_that_is_pinned_by_the_look_at_it(tmp_path: Path) -> None:
    m8 = KnowingM8()
    m8.log = ScriptedLog(5)
    m8.log.witnesses = [ScriptedWitness("witness.example/a")]
    async with at_console(tmp_path, m8) as page:
        first = (await page.ask("status"))["log"]
        m8.log.grow(2)
        log = (await page.ask("status"))["log"]
    assert (first["size"], log["pinned_size"], log["size"], log["witnessed_size"]) == (5, 5, 7, 7)
    assert (log["quorum"], len(log["witnesses"]), log["trouble"], log["quorum_trouble"]) == (1, 1, "", "")


async def test_what_can_be_listed_upstream(page: AtConsole) -> None:
    answer = await page.ask("upstream", uri="vault://app")

    assert [name["uri"] for name in answer["names"]] == ["vault://app/db", "vault://app/more/"]
    assert answer["complete"]


# --- activity ---


def event(kind: str, at_ms: int, detail: str = "", *, request: int = 1, actor: str = "alice") -> views_pb2.EventSummary:
    return views_pb2.EventSummary(
        type=kind, recorded_at_ms=at_ms, detail=detail, stream=f"upload/{request:032x}", actor=actor, uri="vault://a"
    )


def test_activity_counts_ends_by_time_outcome_and_who_asked() -> None:
    asked = "SecretUploadKeyRequested"
    found = [
        event(asked, AT_MS),
        event("SecretUploaded", AT_MS + 1, "UPLOADED, version 7", actor="reactor"),
        event(asked, AT_MS + DAY_MS, request=2),
        event("SecretUploadFailed", AT_MS + DAY_MS, "CONFLICT, without a receipt", request=2, actor="m8"),
        event(asked, AT_MS + DAY_MS, request=3, actor="bob"),
        event("SecretUploadKeyProvided", AT_MS + DAY_MS, request=3, actor="reactor"),
    ]

    said = summary(found, since_ms=AT_MS - 1, now_ms=AT_MS + 2 * DAY_MS - 1, length_ms=DAY_MS)

    assert [bucket["outcomes"] for bucket in said["buckets"]] == [{"UPLOADED": 1}, {"FAILED: CONFLICT": 1}]
    assert said["outcomes"] == ["FAILED: CONFLICT", "UPLOADED"]
    assert said["people"] == [{"actor": "alice", "outcomes": {"UPLOADED": 1, "FAILED: CONFLICT": 1}}]
    [failed] = said["failed"]
    assert (failed["request_id"], failed["actor"], failed["reason"]) == (f"{2:032x}", "alice", "CONFLICT")
    [open_] = said["open"]
    assert (open_["request_id"], open_["actor"], open_["last"]) == (f"{3:032x}", "bob", "SecretUploadKeyProvided")


async def test_activity_reads_what_is_new_and_says_if_all(page: AtConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.monoctl.console.overview.now_ms", lambda: AT_MS + DAY_MS)
    page.m8.record("SecretUploaded", "vault://app/a", "UPLOADED, version 7")
    first = await page.ask("activity", days=7)
    page.m8.record("SecretDeleted", "vault://app/a", "DELETED, version 7")

    second = await page.ask("activity", days=7)

    assert (first["outcomes"], second["outcomes"]) == (["UPLOADED"], ["DELETED", "UPLOADED"])
    assert len(second["buckets"]) == 7
    assert second["complete"]
    assert len((await page.ask("activity", days=1))["buckets"]) == 24


async def test_recent_events_are_read_once_and_then_what_is_new(page: AtConsole) -> None:
    for number in range(450):
        page.m8.record("SecretUploaded", "vault://app/a", f"UPLOADED, version {number}")
    found, complete = await page.context.recent.since(AT_MS)
    assert (len(found), complete) == (450, True)
    for new in (1, 199, 200, 350):
        for _ in range(new):
            page.m8.record("SecretDeleted", "vault://app/a")
        found, complete = await page.context.recent.since(AT_MS)
        assert [event.position for event in found] == [event.position for event in page.m8.events]
    later, _ = await page.context.recent.since(AT_MS + len(page.m8.events))
    assert [event.position for event in later] == [len(page.m8.events)]


async def test_the_table_says_why_it_is_not_complete(page: AtConsole) -> None:
    page.m8.failing["ListSecrets"] = [UnauthenticatedError("the token has expired.")]
    task = asyncio.create_task(page.context.secrets.run())
    while not page.context.secrets.note:
        await asyncio.sleep(0)

    answer = await page.ask("secrets")

    assert (answer["complete"], answer["secrets"]) == (False, [])
    assert "expired" in answer["note"]
    task.cancel()


# --- the user ---

ISSUER = "https://login.example.org"


async def test_of_a_member_it_says_what_each_role_binding_gives(page: AtConsole) -> None:
    me = await page.ask("whoami")
    assert me["groups"] == ["group:corp:ops"]
    assert me["may"] == [{"prefix": "vault://app", "rights": ["put"], "role_binding": "apps"}]


@pytest.mark.parametrize(("refresh_token", "login"), [("r", "renewed"), ("", "once")])
async def test_it_says_whether_a_login_is_renewed(tmp_path: Path, refresh_token: str, login: str) -> None:
    given = {"server": "m8:1", "issuer": ISSUER, "client_id": "c", "audience": "c", "refresh_token": refresh_token}
    write(tmp_path / "login", KeptLogin(token=token("alice"), token_ends_at=f"{time.time() + 900:.0f}", **given))
    async with at_console(tmp_path, credential=Login(tmp_path / "login", ISSUER)) as page:
        me = await page.ask("whoami")
    assert (me["subject"], me["credential"], me["login"]) == ("alice", f"the login at {ISSUER}", login)


async def test_a_token_that_was_given_is_no_login(page: AtConsole) -> None:
    me = await page.ask("whoami")
    assert (me["credential"], me["login"]) == ("the token that was given", "")


async def test_role_bindings_are_shown(page: AtConsole) -> None:
    first, second = (await page.ask("role-bindings"))["role_bindings"]
    assert (first["name"], first["role"], first["prefix"], first["rights"]) == ("admins", "administrator", "", [])
    assert first["members"] == ['user:corp:grace "Grace Hopper"'], "the whole id first"
    assert (second["members"], second["prefix"], second["rights"]) == (["group:corp:ops"], "vault://app", ["put"])
