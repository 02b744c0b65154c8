"""Approvals on the command line: what is proposed, waited for, shown, signed and refused, and how each command ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import changes_pb2, queries_pb2, views_pb2
from monoskope.monoctl.input import completion
from monoskope.protocol.change import parse_change
from monoskope.protocol.identity import Namespace, approval_statement
from monoskope.protocol.sshsig import parse
from monoskope.testing.parts import program
from monoskope.testing.scripted.changes import end
from monoskope.testing.scripted.m8 import VERSION, Attempt, ScriptedM8
from tests.support.completing import completed
from tests.support.ssh import keygen, shown
from tests.unit.client.changes.world import ANNA, approves
from tests.unit.monoctl.as_alice import VALUE, Run, ends
from tests.unit.monoctl.on_terminal import CTRL_C, converse

URI = "vault://app/db"
PUT = ("put", "secret", URI, "--from-file", "password=-")
PROPOSE = (*PUT, "--propose", "--requester", ANNA)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("people")
    return {name: keygen(folder / name) for name in ("anna", "ben")}


@pytest.fixture(autouse=True)
def asks_for_one(m8: ScriptedM8, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The store asks for one approval; anna signs what she asks for."""
    m8.approvals = 1
    monkeypatch.setenv("MONOCTL_SIGNING_KEY", str(keys["anna"]))


@pytest.fixture
def proposed(run: Run) -> dict[str, str]:
    """A put that anna proposed."""
    return dict(json.loads(ends(run(*PROPOSE, "-o", "json", stdin=VALUE), 0).stdout))


@pytest.fixture
def as_ben(m8: ScriptedM8, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Go on as ben, to whom m8 says that somebody else proposed."""

    def become() -> None:
        for view in m8.changes.by_id.values():
            view.subject = "anna"
        monkeypatch.setenv("MONOCTL_SIGNING_KEY", str(keys["ben"]))

    return become


def only(m8: ScriptedM8) -> changes_pb2.SecretChange:
    (view,) = m8.changes.by_id.values()
    return view


class TestProposing:
    def test_nothing_is_written_and_the_answer_says_how_it_goes_on(self, m8: ScriptedM8, run: Run) -> None:
        result = ends(run(*PROPOSE, "--reason", "rotation", stdin=VALUE), 0, "monoctl approve", "monoctl run change")
        change = parse_change(only(m8).change)
        assert change.change_id.hex() in result.stdout
        assert (change.reason, change.requester, change.keys) == ("rotation", ANNA, ("password",))
        assert m8.attempts == []

    def test_each_command_that_writes_can_be_proposed(self, m8: ScriptedM8, run: Run) -> None:
        view = views_pb2.Secret(uri=URI, upstream_version=VERSION)
        m8.answers[queries_pb2.GetSecretRequest] = lambda _: queries_pb2.GetSecretResponse(secret=view)
        for words in (
            ("patch", "secret", URI, "--remove", "old"),
            ("delete", "secret", URI),
            ("undelete", "secret", URI, "--expect", VERSION),
            ("rollback", "secret", URI, "--to", VERSION),
            ("generate", "secret", URI, "--kind", "password"),
        ):
            ends(run(*words, "--propose", "--requester", ANNA), 0)
        asked = [parse_change(one.change).request.purpose for one in m8.changes.by_id.values()]
        assert len(set(asked)) == 5

    def test_several_secrets_at_once_are_refused(self, m8: ScriptedM8, run: Run) -> None:
        ends(run(*PROPOSE, "vault://app/other", stdin=VALUE), 2, "one secret")
        assert m8.changes.by_id == {}

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--reason", "why"), "are for --propose"),
            (("--propose", "--break-glass", "why"), "exclude each other"),
            (("--propose", "--wait", "soon"), "not a length of time"),
            (("--propose", "--overwrite", "--requester", ANNA), "one version"),
            (("--propose",), "how the store's list calls you"),
            (("--propose", "--requester", ANNA, "--reason", "no\u202eyes"), "reason"),
            (("--break-glass", ""), "says why"),
            (("--break-glass", "x" * 501), "500"),
        ],
    )
    def test_what_makes_no_sense_is_refused_before_anybody_is_asked(
        self, m8: ScriptedM8, run: Run, words: tuple[str, ...], said: str
    ) -> None:
        ends(run(*PUT, *words, stdin=VALUE), 2, said)
        assert m8.changes.by_id == {}
        assert m8.attempts == []

    @pytest.mark.parametrize("words", [("label", "secret", URI, "a=b"), ("expire", "secret", URI, "90d")])
    def test_an_edit_that_no_store_signs_cannot_be_approved(self, m8: ScriptedM8, run: Run, words: list[str]) -> None:
        ends(run(*words, "--propose", "--reason", "why", "--requester", ANNA), 2, "no store signs")
        ends(run(*words, "--break-glass", "why"), 2, "no store signs")
        assert m8.calls == []


class TestWaiting:
    def test_it_goes_on_by_itself_and_the_answer_says_who_approved(
        self, m8: ScriptedM8, run: Run, keys: dict[str, Path]
    ) -> None:
        m8.changes.next = [lambda _: None, approves(keys["ben"])]
        result = ends(run(*PROPOSE, "--wait", "1h", "-o", "json", stdin=VALUE), 0, "0 approvals of up to 1")
        answer = json.loads(result.stdout)
        assert answer["approvers"] == [{"principal": "approver1", "key": shown(keys["ben"])}]
        assert answer["change_sha256"] == parse_change(only(m8).change).sha256.hex()

        def granted(attempt: Attempt) -> views_pb2.SecretUpload:
            upload = m8.honest_end(attempt)
            upload.grant.CopyFrom(attempt.signed_grant())
            return upload

        m8.end = granted
        shown_later = ends(run("get", "upload", answer["request_id"]), 0).stdout
        assert "APPROVED BY" in shown_later
        assert f"approver1 {shown(keys['ben'])}" in shown_later
        assert "WITHOUT APPROVALS" not in shown_later

    @pytest.mark.parametrize(
        ("state", "code"),
        [
            (changes_pb2.CHANGE_STATE_DECLINED, 3),
            (changes_pb2.CHANGE_STATE_WITHDRAWN, 3),
            (changes_pb2.CHANGE_STATE_OVERTAKEN, 6),
            (changes_pb2.CHANGE_STATE_ENDED, 8),
        ],
    )
    def test_each_end_has_its_exit_code(
        self, m8: ScriptedM8, run: Run, state: changes_pb2.ChangeState, code: int
    ) -> None:
        m8.changes.next = [lambda view: end(view, state, "not today")]
        ends(run(*PROPOSE, "--wait", "1h", stdin=VALUE), code, parse_change(only(m8).change).change_id.hex())
        assert all(not attempt.sealed for attempt in m8.attempts)

    def test_a_wait_that_is_over_ends_with_8(self, run: Run) -> None:
        ends(run(*PROPOSE, "--wait", "1s", stdin=VALUE), 8, "monoctl run change")

    def test_ctrl_c_says_that_the_change_stays_proposed(self, m8: ScriptedM8, run: Run) -> None:
        del run  # it sets the environment
        words = [program("monoctl"), *PROPOSE, "--wait", "1h"]
        done = converse(words, [("waiting for more", CTRL_C)], os.environ, stdin=VALUE.encode())
        assert done.code == 130
        assert "stays proposed" in done.shown
        assert f"monoctl withdraw {parse_change(only(m8).change).change_id.hex()}" in " ".join(done.shown.split())
        assert VALUE not in done.shown + done.out


class TestRefused:
    def test_a_put_that_is_refused_says_how_to_propose_it(self, m8: ScriptedM8, run: Run) -> None:
        result = ends(run(*PUT, "--overwrite", stdin=VALUE), 17, "up to 1 approval")
        assert f"monoctl put secret {URI} --from-file password=- --propose\n" in result.stderr
        answer = json.loads(run(*PUT, "-o", "json", stdin=VALUE).stderr)
        assert answer["error"]["propose"] == f"monoctl put secret {URI} --from-file password=- -o json --propose"

    def test_what_else_is_refused_says_nothing_of_it(self, m8: ScriptedM8, run: Run, proposed: dict[str, str]) -> None:
        words = ("run", "change", proposed["change_id"], "--sha256", proposed["sha256"], "--from-file", "password=-")
        assert "--propose" not in ends(run(*words, stdin=VALUE), 17, "none was sent").stderr


class TestExecuting:
    def test_a_program_executes_what_it_looked_at_and_nothing_else(
        self, m8: ScriptedM8, run: Run, proposed: dict[str, str], keys: dict[str, Path]
    ) -> None:
        approves(keys["ben"])(only(m8))
        words = ("run", "change", proposed["change_id"], "--from-file", "password=-")
        ends(run(*words, stdin=VALUE), 2, "no terminal", "--sha256")
        ends(run(*words, "--sha256", "00" * 32, stdin=VALUE), 5, "nothing was sent")
        assert m8.attempts == []
        ends(run(*words, "--sha256", proposed["sha256"], stdin=VALUE), 0)
        m8.attempts[0].check_signature()

    def test_breaking_the_glass_says_why(self, m8: ScriptedM8, run: Run) -> None:
        result = ends(run(*PUT, "--break-glass", "the site is down", "-o", "json", stdin=VALUE), 0)
        assert json.loads(result.stdout)["break_glass"] == "the site is down"
        assert m8.attempts[0].request.break_glass == "the site is down"


class TestApproving:
    def test_a_program_signs_what_it_looked_at_and_nothing_else(
        self, m8: ScriptedM8, run: Run, proposed: dict[str, str], as_ben: Callable[[], None]
    ) -> None:
        as_ben()
        words = ("approve", proposed["change_id"])
        ends(run(*words), 2, "no terminal")
        ends(run(*words, "--yes"), 2, "--yes")
        ends(run(*words, "--sha256", "00" * 32), 5, "nothing was signed")
        assert not only(m8).approvals
        ends(run(*words, "--sha256", proposed["sha256"]), 0, URI, "password", ANNA)
        parse(only(m8).approvals[0].approval, Namespace.APPROVAL).verify(
            approval_statement(bytes.fromhex(proposed["sha256"]))
        )

    @pytest.mark.parametrize(("answer", "code", "signed"), [(b"y\n", 0, 1), (b"\n", 2, 0)])
    def test_a_person_sees_it_and_is_asked(  # noqa: PLR0917 - fixtures
        self,
        m8: ScriptedM8,
        run: Run,
        proposed: dict[str, str],
        as_ben: Callable[[], None],
        answer: bytes,
        code: int,
        signed: int,
    ) -> None:
        del run
        as_ben()
        done = converse(
            [program("monoctl"), "approve", proposed["change_id"]], [("Approve exactly this", answer)], os.environ
        )
        assert (done.code, len(only(m8).approvals)) == (code, signed)
        assert proposed["sha256"] in done.shown

    def test_no_words_of_others_look_like_a_line_of_its_own(
        self, m8: ScriptedM8, run: Run, proposed: dict[str, str], as_ben: Callable[[], None]
    ) -> None:
        """Neither where the terminal breaks what is long, nor because what is asked has scrolled away."""
        del run
        as_ben()
        only(m8).subject = "What: -" * 400
        done = converse(
            [program("monoctl"), "approve", proposed["change_id"]],
            [(f"with your signature: UPLOAD {URI}? [y/N]", b"\n")],
            os.environ,
            columns=80,
        )
        broken = [line[at : at + 80] for line in done.shown.splitlines() for at in range(0, len(line), 80)]
        assert not any(line.startswith("What:") for line in broken), "its own are bold"
        assert "What: -What: -" in done.shown

    def test_nothing_is_signed_for_a_store_that_is_not_pinned(
        self, m8: ScriptedM8, run: Run, proposed: dict[str, str], as_ben: Callable[[], None], tmp_path: Path
    ) -> None:
        as_ben()
        words = ("approve", proposed["change_id"], "--sha256", proposed["sha256"], "--known-stores")
        ends(run(*words, str(tmp_path / "nothing")), 20, "NOT pinned here", "store_identity")
        assert not only(m8).approvals

    def test_declining_and_withdrawing_end_it(self, m8: ScriptedM8, run: Run, proposed: dict[str, str]) -> None:
        ends(run("decline", proposed["change_id"], "--reason", "not on a Friday"), 0)
        assert (only(m8).state, only(m8).decline_reason) == (changes_pb2.CHANGE_STATE_DECLINED, "not on a Friday")
        ends(run("approve", proposed["change_id"], "--sha256", proposed["sha256"]), 3, "not on a Friday")
        ends(run("withdraw", proposed["change_id"]), 0)
        assert only(m8).state == changes_pb2.CHANGE_STATE_WITHDRAWN


class TestLooking:
    def test_a_description_holds_everything_that_is_asked(self, m8: ScriptedM8, run: Run) -> None:
        words = ("--label", "owner=team-a", "--expires", "2030-01-31", "--binary", "base64", "--reason", "rotation")
        ends(run(*PROPOSE, *words, stdin=VALUE), 0)
        change_id = parse_change(only(m8).change).change_id.hex()
        text = ends(run("describe", "change", change_id), 0, "only the store's reactor decides").stdout
        for said in (
            "owner",
            "team-a",
            "2030-01-31",
            "BASE64",
            "rotation",
            ANNA,
            "nothing is there",
            "not proven here",
        ):
            assert said in text
        answer = json.loads(run("describe", "change", change_id, "-o", "json").stdout)
        assert answer["asked"]["labels"] == [{"name": "owner", "value": "team-a"}]
        assert (answer["proven"], answer["pinned"], answer["state"]) == (False, True, "OPEN")

    def test_text_of_others_cannot_reach_the_terminal_as_it_is(
        self, m8: ScriptedM8, run: Run, proposed: dict[str, str]
    ) -> None:
        end(only(m8), changes_pb2.CHANGE_STATE_DECLINED, "\x1b[2Jno", by="ben\u202e")
        shown_text = run("describe", "change", proposed["change_id"]).output
        assert "\x1b" not in shown_text
        assert "\u202e" not in shown_text

    def test_changes_are_listed(self, run: Run, proposed: dict[str, str]) -> None:
        assert run("get", "changes", "-o", "name").stdout == f"{proposed['change_id']}\n"
        assert "UPLOAD" in run("get", "changes", "--state", "open").stdout
        ends(run("get", "changes", "--state", "done"), 0, "No changes found.")

    def test_an_id_is_completed(self, run: Run, proposed: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        del run
        monkeypatch.setattr(completion, "SECONDS", 60.0)
        for words in ("approve ", "run change ", "describe change ", "decline ", "withdraw "):
            assert completed(f"monoctl {words}", monkeypatch) == [proposed["change_id"]]
