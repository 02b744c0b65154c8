"""An audit line is one JSON object, bounded, without what it must never hold; the programs on its page work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.gateway.v1 import access_pb2, commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.audit import lines
from monoskope.m8.audit.sinks import mac
from monoskope.m8.domain.events import write
from monoskope.m8.domain.principal import Principal
from monoskope.m8.log import record
from monoskope.m8.log.event_log import GENESIS_HASH, NewEvent, RecordedEvent
from monoskope.m8.service.call_notes import BOUND, NAMED, CallNote, about_log, about_request, about_response
from monoskope.protocol.identity import RECEIPT
from monoskope.protocol.receipt import make_receipt
from monoskope.uri import SecretUri
from tests.support.fake_reactor import fingerprint
from tests.support.vectors import Signer, a_grant, a_request

KEY = "SHA256:" + "A" * 43
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=200)


def line_of(event: NewEvent, *, actor: str = "anna", stream: str = "stream", uri: str = "") -> lines.Line:
    made = record.make(
        event,
        position=7,
        stream=stream,
        version=3,
        recorded_at_ms=1_700_000_000_000,
        actor=actor,
        previous_hash=GENESIS_HASH,
    )
    return lines.of_event(made, log_id="ab" * 16)


@given(actor=TEXT, stream=TEXT, peer=TEXT, about_text=TEXT)
def test_whatever_a_name_holds_a_line_is_one_line(actor: str, stream: str, peer: str, about_text: str) -> None:
    event = line_of(NewEvent("Happened", b""), actor=actor, stream=stream)
    noted = CallNote("GetSecret", peer, about={"uri": about_text}, code="OK")
    call = lines.of_call(noted, at_ms=1, replica="m8/1", number=1)
    for line in (event, call):
        assert all(0x20 <= byte < 0x7F for byte in line.text)
        assert len(line.text) <= lines.MOST_LINE
    assert (json.loads(event.text)["actor"], json.loads(event.text)["stream"]) == (actor, stream)
    assert (json.loads(call.text)["peer"], json.loads(call.text)["uri"]) == (peer, about_text)


def test_a_line_shows_what_get_events_shows_and_links_to_the_one_before() -> None:
    shown = json.loads(line_of(write(events_pb2.TokenRevoked(id="ab" * 16)), stream="token/1").text)
    assert {name: shown[name] for name in ("kind", "position", "time", "type", "stream", "version", "actor")} == {
        "kind": "event",
        "position": 7,
        "time": "2023-11-14T22:13:20.000Z",
        "type": "TokenRevoked",
        "stream": "token/1",
        "version": 3,
        "actor": "anna",
    }
    assert (shown["detail"], shown["log"], shown["previous_hash"]) == ("ab" * 16, "ab" * 16, "00" * 32)
    assert len(shown["hash"]) == 64


def signed_receipt() -> upload_pb2.Signed:
    receipt = make_receipt(
        grant=a_grant(a_request()),
        sealed_sha256=b"s" * 32,
        outcome=upload_pb2.OUTCOME_UPLOADED,
        upstream_version="4",
        fingerprint=fingerprint("c"),
        values=[("password", fingerprint("d"))],
        signer="anna@example.org",
        signer_key=KEY,
    )
    return Signer().sign(RECEIPT, receipt.content)


def test_a_receipt_says_who_signed_the_request_and_shows_no_fingerprint() -> None:
    text = line_of(write(events_pb2.SecretUploaded(receipt=signed_receipt()))).text
    shown = json.loads(text)
    assert (shown["signer"], shown["signer_key"]) == ("anna@example.org", KEY)
    assert shown["detail"] == f"UPLOADED, version 4, signed by anna@example.org with {KEY}"
    assert b"fp1:" not in text
    assert b"cccc" not in text


def test_an_event_that_this_m8_cannot_read_has_a_line_all_the_same() -> None:
    for kind in ("OfTomorrow", "SecretUploaded"):
        told = json.loads(line_of(NewEvent(kind, b"\xff\xff", detail="in short")).text)
        assert (told["type"], told["detail"]) == (kind, "in short")


def test_a_long_detail_is_cut_and_the_line_says_so() -> None:
    line = line_of(NewEvent("TokenIssued", b"", detail="é" * 1_500))
    assert len(line.text) <= lines.MOST_LINE
    assert json.loads(line.text)["detail_is_cut"] is True


def test_an_access_line_names_the_caller_and_never_the_token_that_was_exchanged() -> None:
    caller = Principal.of_token("ab" * 16, "anna", events_pb2.ROLE_USER, expires_at_ms=1)
    noted = CallNote("GetSecret", "192.0.2.1:5", "id-1", caller, {"uri": "vault://a/b"}, "OK", 12)
    shown = json.loads(lines.of_call(noted, at_ms=1_700_000_000_000, replica="m8/1", number=9).text)
    assert shown == {
        "kind": "access",
        "m8": "m8/1",
        "number": 9,
        "time": "2023-11-14T22:13:20.000Z",
        "method": "GetSecret",
        "peer": "192.0.2.1:5",
        "code": "OK",
        "duration_ms": 12,
        "token_id": "ab" * 16,
        "subject": "anna",
        "roles": ["user"],
        "client_request_id": "id-1",
        "uri": "vault://a/b",
    }
    assert about_request(access_pb2.ExchangeTokenRequest(subject_token="secret", subject_token_type="jwt")) == {}
    assert about_response(access_pb2.ExchangeTokenResponse(access_token="secret", member="user:corp:anna")) == {}
    made = access_pb2.CreateTokenResponse(token="secret", token_id="ab" * 16)
    assert about_response(made) == {"for_token_id": "ab" * 16}


def test_whatever_a_caller_names_the_line_stays_below_the_limit_and_is_json() -> None:
    """Names are bounded by characters, and each may take 12 bytes. A receiver would cut the line in its middle."""
    most = {"uri": "\U0001f511" * 512, "for_member": "\U0001f511" * 256, "prefix": "\x7f" * 512}
    for names in (most, {"uri": most["uri"], "destination": most["uri"]}, dict.fromkeys(NAMED.values(), "é" * 512)):
        noted = CallNote("CanI", "192.0.2.1:5", about=dict(names), code="REFUSED")
        line = lines.of_call(noted, at_ms=1, replica="m8/1", number=1)
        assert len(line.text) <= lines.MOST_LINE
        shown = json.loads(line.text)
        assert (shown["method"], shown["code"], shown["names_are_cut"]) == ("CanI", "REFUSED", True)
        assert all(text.startswith(shown[name]) and shown[name] for name, text in names.items())


def test_a_call_is_about_what_it_names() -> None:
    request = a_request()
    asked = commands_pb2.RequestSecretUploadKeyRequest(request=request.content)
    assert about_request(asked) == {
        "uri": str(request.uri),
        "purpose": "UPLOAD",
        "request_id": request.request_id.hex(),
    }
    copy = a_request(purpose=upload_pb2.PURPOSE_COPY, destination=SecretUri.parse("pg://orders_a"), keys=("a", "b"))
    copied = about_request(commands_pb2.RequestSecretUploadKeyRequest(request=copy.content))
    assert (copied["destination"], copied["keys"]) == ("pg://orders_a", "a b")
    assert about_request(commands_pb2.RequestSecretUploadKeyRequest(request=b"\xff")) == {}
    sent = commands_pb2.RequestUploadSecretRequest(
        request_id=b"r" * 16, ciphertext=b"sealed", request_signature=b"signature"
    )
    assert about_request(sent) == {"request_id": (b"r" * 16).hex()}
    assert about_request(access_pb2.RevokeTokenRequest(token_id="ab" * 16)) == {"for_token_id": "ab" * 16}
    assert about_request(access_pb2.CanIRequest(member="user:corp:anna", uri="vault://a")) == {
        "for_member": "user:corp:anna",
        "uri": "vault://a",
    }
    assert about_request(queries_pb2.ListEventsRequest(prefix="vault://a", page_token="t")) == {"prefix": "vault://a"}


def test_a_token_that_was_not_exchanged_has_the_reason_and_the_issuer_if_that_is_proven() -> None:
    bound = {"method": "ExchangeToken", "reason": "REPLAYED", "issuer": "corp", "subject": "user:corp:anna"}
    assert about_log(bound) == {"reason": "REPLAYED", "issuer": "corp"}
    assert about_log({"reason": "ISSUER", "issuer": ""}) == {"reason": "ISSUER"}


def test_the_end_of_a_signed_request_says_who_signed_it() -> None:
    upload = views_pb2.SecretUpload(
        uri="vault://app/db",
        request_id=b"r" * 16,
        purpose=upload_pb2.PURPOSE_UPLOAD,
        outcome=upload_pb2.OUTCOME_UPLOADED,
        receipt=signed_receipt(),
    )
    expected = {
        "uri": "vault://app/db",
        "request_id": (b"r" * 16).hex(),
        "purpose": "UPLOAD",
        "outcome": "UPLOADED",
        "signer": "anna@example.org",
        "signer_key": KEY,
    }
    assert about_response(queries_pb2.GetSecretUploadResponse(upload=upload)) == expected
    assert about_response(commands_pb2.RequestUploadSecretResponse(upload=upload)) == expected


PAGE = Path(__file__).parents[3] / "docs" / "operate" / "audit.md"
VERIFIES, PROVES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
SECRET = b"s" * 32
OF_ENDS = ("purpose", "destination", "outcome", "signer", "signer_key")
"""What an access line says of a request besides what it names."""
ABOUT = (*NAMED.values(), *BOUND, *OF_ENDS)


IsNew = Callable[[bytes, dict[str, str], bytes], bool]


def is_new() -> IsNew:
    found: dict[str, Any] = {}
    exec(VERIFIES, found)
    function: IsNew = found["is_new"]
    return function


def sent(age_s: int, body: bytes = b"{}\n") -> dict[str, str]:
    """The head of a request that m8 sent so long ago."""
    at = str(int(time.time()) - age_s)
    return {
        "Monoskope-Audit-Time": at,
        "Monoskope-Audit-Positions": "1-2",
        "Monoskope-Audit-Mac": mac(SECRET, time=at, positions="1-2", body=body),
    }


@pytest.mark.parametrize(
    ("changed", "body", "age_s"),
    [
        ({"Monoskope-Audit-Positions": "1-3"}, b"{}\n", 0),
        ({"Monoskope-Audit-Mac": "0" * 64}, b"{}\n", 0),
        ({"Monoskope-Audit-Mac": "\u00e9"}, b"{}\n", 0),
        ({"Monoskope-Audit-Time": "now"}, b"{}\n", 0),
        ({}, b"{ }\n", 0),
        ({}, b"{}\n", 301),
        ({}, b"{}\n", -301),
    ],
    ids=["positions", "MAC", "no MAC", "no time", "body", "old", "of the future"],
)
def test_the_lines_take_what_m8_sends_and_nothing_else(changed: dict[str, str], body: bytes, age_s: int) -> None:
    check = is_new()
    assert check(SECRET, sent(0), b"{}\n")
    with pytest.raises(ValueError, match="not from m8"):
        check(SECRET, sent(age_s) | changed, body)


@pytest.mark.parametrize("ahead_s", [0, 240], ids=["clocks that agree", "m8's clock ahead"])
def test_a_request_that_is_sent_again_is_new_once(ahead_s: int, monkeypatch: pytest.MonkeyPatch) -> None:
    check, copied = is_new(), sent(-ahead_s)
    assert check(SECRET, copied, b"{}\n")
    begun = time.time()
    for later in range(0, 300 + ahead_s, 20):
        monkeypatch.setattr(time, "time", lambda later=later: begun + later)
        assert check(SECRET, sent(0, b"%d\n" % later), b"%d\n" % later), "others are taken meanwhile"
        try:
            assert not check(SECRET, copied, b"{}\n")
        except ValueError:
            assert later >= 299 + ahead_s
    monkeypatch.setattr(time, "time", lambda: begun + 1_000)
    assert check(SECRET, sent(0), b"{}\n")
    assert len(check.__globals__["taken"]) == 1, "nothing is kept for ever"


def test_the_page_names_every_field_of_a_line() -> None:
    call = CallNote("Put", "peer", principal=None, about=dict.fromkeys(ABOUT, "x" * 8_000))
    (event,) = recorded(1)
    made = [
        lines.of_event(event, log_id="ab" * 16),
        lines.of_call(call, at_ms=0, replica="m8", number=1),
        lines.of_dropped(1, at_ms=0, replica="m8"),
    ]
    fields = {name for line in made for name in json.loads(line.text)} | {"detail_is_cut"}
    named = set(re.findall(r"`(\w+)`", PAGE.read_text(encoding="utf-8").partition("## What stands in a line")[2]))
    assert fields - named == set()
    assert "names_are_cut" in fields


def recorded(count: int) -> list[RecordedEvent]:
    made: list[RecordedEvent] = []
    for position in range(1, count + 1):
        made.append(
            record.make(
                NewEvent("Happened", b"x"),
                position=position,
                stream="s",
                version=position,
                recorded_at_ms=position,
                actor="anna",
                previous_hash=made[-1].hash if made else GENESIS_HASH,
            )
        )
    return made


def proved(texts: list[bytes]) -> tuple[int, str]:
    ended = subprocess.run([sys.executable, "-c", PROVES], input=b"\n".join(texts), capture_output=True, check=False)
    return ended.returncode, (ended.stdout + ended.stderr).decode().strip()


def test_the_program_proves_that_nothing_is_missing_or_says_what_is() -> None:
    events = recorded(4)
    sent = [lines.of_event(event, log_id="ab" * 16).text for event in events]
    call = json.dumps({"kind": "access"}).encode()
    assert proved([sent[1], *sent, call, sent[3]]) == (0, f"4:{events[-1].hash.hex()}")
    assert proved([sent[0], sent[2], sent[3]]) == (1, "the chain breaks at position 2")
    other = json.dumps({**json.loads(sent[2]), "actor": "bob"}).encode()
    assert proved([*sent, other]) == (1, "there are two events at position 3")
    changed = json.dumps({**json.loads(sent[2]), "previous_hash": "0" * 64}).encode()
    assert proved([*sent[:2], changed, sent[3]]) == (1, "the chain breaks at position 3")
