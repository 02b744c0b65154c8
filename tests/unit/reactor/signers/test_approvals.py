"""The decision about approvals as a function: whatever signatures come, too few people are never enough."""

from __future__ import annotations

import itertools
import random
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.change import Change, make_change, request_of
from monoskope.protocol.identity import Namespace, approval_statement
from monoskope.protocol.request import Request
from monoskope.protocol.sshsig import Fault, FaultError
from monoskope.protocol.sshsig.container import parse_public
from monoskope.protocol.sshsig.keys import PublicKey
from monoskope.protocol.sshsig.lists import Revocations, parse_listed, parse_revoked
from monoskope.reactor.signers.approvals import NOT_APPROVED, ApprovalRules, Approved, Presented, approve
from monoskope.reactor.signers.decision import Rules, Signed
from monoskope.reactor.signers.settings import MayRule, SignersFile, approver_permissions, permissions
from tests.support import ssh_blobs
from tests.support.reactor_requests import ask
from tests.support.signed_requests import approvers, may, table

NOW = int(time.time())
IDENTITY = "SHA256:" + "A" * 43
NAMES = tuple(f"{name}@example.org" for name in ("anna", "ben", "carl", "dora"))
ANNA = NAMES[0]
KEYS = tuple(ssh_blobs.ed25519() for _ in NAMES)
CA = ssh_blobs.ed25519()
LISTED = parse_listed(f"*@example.org cert-authority {CA.line}\n", Namespace.APPROVAL)
ASKED: dict[str, Any] = {
    "change_id": bytes(16),
    "request": ask(expect=upload_pb2.EXPECT_VERSION, expect_version="v1"),
    "requester": ANNA,
    "identity": IDENTITY,
    "not_after": NOW + 60,
    "keys": ("password",),
}
CHANGE = make_change(**ASKED)
REQUEST = request_of(CHANGE, request_id=b"i" * 16, suites=(1,))


def approval(
    name: str,
    key: ssh_blobs.SshKey,
    *,
    ca: ssh_blobs.SshKey = CA,
    until: int = NOW + 3_600,
    kind: Namespace = Namespace.APPROVAL,
    sha256: bytes = CHANGE.sha256,
) -> bytes:
    signer = ssh_blobs.certificate(key, ca, valid=(NOW - 60, until), principals=(name.encode(),))
    namespace = kind.value.encode()
    message = ssh_blobs.to_sign(approval_statement(sha256), namespace=namespace)
    return ssh_blobs.container(signer, key.sign(message), namespace=namespace)


def flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


REVOKED = ssh_blobs.ed25519()
FAULTY: dict[str, Callable[[str, ssh_blobs.SshKey], bytes]] = {
    "of another change": lambda name, key: approval(name, key, sha256=bytes(32)),
    "for requests": lambda name, key: approval(name, key, kind=Namespace.REQUEST),
    "of a certificate that has ended": lambda name, key: approval(name, key, until=NOW),
    "of another CA": lambda name, key: approval(name, key, ca=key),
    "of one who may approve nothing": lambda _, key: approval("fred@example.org", key),
    "by a revoked key": lambda name, _: approval(name, REVOKED),
    "with another bit": lambda name, key: flipped(approval(name, key)),
    "nothing": lambda *_: b"",
}
"""What does not count, whoever made it."""
BAD_ONES = {
    (fault, name, number): made(name, key)
    for (fault, made), name, (number, key) in itertools.product(FAULTY.items(), NAMES, enumerate(KEYS))
}
SIGNED = {(name, number): approval(name, key) for name, (number, key) in itertools.product(NAMES, enumerate(KEYS))}
"""An approval of each principal with each key: who controls the CA can make each of them."""


NO_LONGER = parse_revoked(f"{REVOKED.fingerprint}\n")


def plain(key: ssh_blobs.SshKey) -> PublicKey:
    found = parse_public(key.line)
    assert isinstance(found, PublicKey)
    return found


def decided(
    asked: int,
    signatures: Sequence[bytes],
    *,
    request: Request = REQUEST,
    change: bytes = CHANGE.content,
    now: float = NOW,
    max_change_s: int = 3_600,
    entries: Sequence[MayRule] = (),
    approve_at: str = "team-a",
    approve_what: Sequence[str] = (),
    approve_who: Sequence[str] = NAMES,
    key: ssh_blobs.SshKey = KEYS[0],
) -> Approved:
    may_do = entries or [may(ANNA, "upload", approvals=asked)]
    file = table(*may_do, approve=[approvers(*approve_who, prefixes=[approve_at], purposes=approve_what)])
    rules = Rules({}, Revocations(), permissions(file.may, "memory"), 57_600)
    approval = ApprovalRules(
        Rules(LISTED, NO_LONGER, (), 57_600), approver_permissions(file.approve, "memory"), IDENTITY, max_change_s
    )
    signer = Signed(ANNA, plain(key), None)
    return approve(rules, approval, request, signer, Presented(change, tuple(signatures)), now=now)


def changed(**fields: Any) -> Change:
    """The same change but for some fields."""
    return make_change(**{**ASKED, **fields})


def refused(asked: int = 0, **how: Any) -> str:
    """Return why a request does not go on."""
    with pytest.raises(FaultError) as caught:
        decided(asked, how.pop("signatures", []), **how)
    assert caught.value.fault is Fault.APPROVALS
    return caught.value.message


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"identity": "SHA256:" + "B" * 42 + "A"}, "another identity"),
        ({"requester": NAMES[1]}, "another requester"),
        ({"not_after": NOW - 1}, "has ended"),
        ({"not_after": NOW + 3_601}, "ends too late"),
    ],
)
def test_a_change_is_of_this_store_and_requester_and_time(fields: dict[str, Any], why: str) -> None:
    other = changed(**fields)
    request = request_of(other, request_id=b"i" * 16, suites=(1,))
    assert why in refused(request=request, change=other.content)


def test_a_change_is_the_one_that_the_request_names_for_what_it_asks() -> None:
    assert "not the one" in refused(change=changed(reason="another").content)
    elsewhere = ask(expect=upload_pb2.EXPECT_VERSION, expect_version="v2", change_sha256=CHANGE.sha256)
    assert "not the one" in refused(request=elsewhere)
    assert "is malformed" in refused(change=CHANGE.content + b"x")


def test_where_no_change_is_named_none_counts() -> None:
    plainly = ask()
    assert decided(0, [], request=plainly, change=b"") == NOT_APPROVED
    assert "takes 1 approval," in refused(1, request=plainly, change=b"")
    assert "names no change" in refused(request=plainly)
    assert "names no change" in refused(request=plainly, change=b"", signatures=[SIGNED[NAMES[1], 1]])


@pytest.mark.parametrize(
    "entry", [{"approve_at": "team-b"}, {"approve_what": ["delete"]}, {"approve_who": [ANNA, *NAMES[2:]]}]
)
def test_who_is_in_no_entry_for_person_place_and_purpose_together_approves_nothing(entry: dict[str, Any]) -> None:
    assert "approval 1: not-permitted" in refused(1, signatures=[SIGNED[NAMES[1], 1]], **entry)


def test_the_highest_number_counts_and_every_entry_with_it_says_whether_the_glass_may_be_broken() -> None:
    glass, touched = ask(break_glass="why"), ssh_blobs.ed25519(b"ssh:")
    lower, higher = may(ANNA, "upload", approvals=1, break_glass=True), may(ANNA, "upload", approvals=2)
    broken: dict[str, Any] = {"request": glass, "change": b"", "key": touched}
    assert decided(0, [], entries=[lower], **broken) == NOT_APPROVED
    assert "does not allow" in refused(entries=[lower, higher], **broken)
    assert "does not allow" in refused(entries=[may(ANNA, "upload")], **broken)
    assert "touch" in refused(entries=[lower], **{**broken, "key": KEYS[0]})
    assert "blank" in refused(entries=[lower], **{**broken, "request": ask(break_glass="  ")})
    one = [SIGNED[NAMES[1], 1]]
    assert "takes 2 approvals, and 1 of 1" in refused(signatures=one, entries=[lower, higher])
    assert decided(0, one, entries=[lower]).approvers


def most_apart(pairs: set[tuple[str, int]]) -> int:
    """The most pairs of which no two have a name or a key in common, and none has the requester's."""
    others = [pair for pair in pairs if pair[0] != ANNA and pair[1] != 0]
    for size in range(len(others), 0, -1):
        for chosen in itertools.combinations(others, size):
            if len({name for name, _ in chosen}) == len({key for _, key in chosen}) == size:
                return size
    return 0


@given(
    st.lists(st.sampled_from(sorted(SIGNED)), max_size=6),
    st.lists(st.sampled_from(sorted(BAD_ONES)), max_size=4),
    st.randoms(),
    st.integers(1, 4),
)
def test_no_set_of_signatures_without_as_many_distinct_principals_and_keys_is_enough(
    pairs: list[tuple[str, int]], faulty: list[tuple[str, str, int]], order: random.Random, asked: int
) -> None:
    """Whatever does not count adds nothing, and takes nothing away from what does."""
    signatures = [SIGNED[pair] for pair in pairs] + [BAD_ONES[one] for one in faulty]
    order.shuffle(signatures)
    try:
        found = decided(asked, signatures)
    except FaultError:
        assert len(signatures) > 8 or most_apart(set(pairs)) < max(asked, len(set(pairs)))
        return
    assert len(signatures) <= 8
    assert most_apart(set(pairs)) >= asked
    assert len(found.approvers) >= asked
    principals, keys = ({pair[part] for pair in found.approvers} for part in (0, 1))
    assert len(principals) == len(keys) == len(found.approvers)
    assert ANNA not in principals
    assert KEYS[0].fingerprint not in keys


@given(st.permutations(sorted(SIGNED)[:8]))
def test_m8_changes_nothing_by_the_order_in_which_it_delivers_approvals(pairs: list[tuple[str, int]]) -> None:
    assert decided(1, [SIGNED[pair] for pair in pairs]) == decided(1, [SIGNED[pair] for pair in sorted(pairs)])


def test_people_of_their_own_with_keys_of_their_own_are_enough_beside_whatever_does_not_count() -> None:
    pairs = [(NAMES[1], 1), (NAMES[2], 2), (NAMES[3], 3)]
    found = decided(3, [b"", b"SSHSIG", *(SIGNED[pair] for pair in pairs), SIGNED[ANNA, 0]])
    assert found.approvers == tuple(sorted((name, KEYS[number].fingerprint) for name, number in pairs))
    assert found.passed_over == ("approval 1: missing", "approval 2: malformed")
    assert found.change == CHANGE


def test_a_change_counts_until_its_last_second_and_not_before_the_settings_allow() -> None:
    enough = [SIGNED[NAMES[1], 1]]
    assert decided(1, enough, now=NOW + 60).change == CHANGE
    assert decided(1, enough, max_change_s=60).change == CHANGE
    for now, limit in ((NOW + 60.5, 3_600), (NOW, 59)):
        with pytest.raises(FaultError):
            decided(1, enough, now=now, max_change_s=limit)


WORDS = ("signature", "namespace", "time", "unlisted", "not-permitted", "revoked", "signature", "missing")


@pytest.mark.parametrize(("fault", "word"), [*zip(FAULTY, WORDS, strict=True)])
def test_what_does_not_count_is_named_by_its_own_fault(fault: str, word: str) -> None:
    assert f"approval 1: {word}" in refused(1, signatures=[BAD_ONES[fault, NAMES[1], 1]])


def test_eight_approvals_are_taken_and_nine_are_not() -> None:
    enough = SIGNED[NAMES[1], 1]
    assert decided(1, [enough] * 8).approvers
    with pytest.raises(FaultError, match="more than 8"):
        decided(1, [enough] * 9)


GOOD: dict[str, Any] = {
    "file": "allowed_signers",
    "revoked": "revoked_keys",
    "approvers": "allowed_approvers",
    "unsigned": ["verify"],
    "may": [{"principal": ANNA, "prefixes": ["prod"], "purposes": ["upload", "copy"], "approvals": 1,
             "destinations": ["other://prod"], "break_glass": True}],
    "approve": [{"principals": [NAMES[1]], "prefixes": ["prod"], "purposes": ["upload", "copy"]}],
}  # fmt: skip
MAY, APPROVE = GOOD["may"][0], GOOD["approve"][0]
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "approvals without a list": ({"approvers": "", "approve": []}, "`approvers` must name a file"),
    "approvers without a list": ({"approvers": "", "may": []}, "`approvers` must name a file"),
    "too many approvals": ({"may": [{**MAY, "approvals": 9}]}, "`approvals` must be from 0 to 8"),
    "fewer than none": ({"may": [{**MAY, "approvals": -1}]}, "`approvals` must be from 0 to 8"),
    "of what only looks": (
        {"may": [{**MAY, "purposes": ["upload", "compare"], "destinations": []}]},
        "nobody approves what only looks",
    ),
    "of what is unsigned": ({"unsigned": ["verify", "upload"]}, "must not stand with a purpose that is in `unsigned`"),
    "a glass that nothing covers": ({"may": [{**MAY, "approvals": 0}]}, "without them there is no glass"),
    "a change of more than a week": ({"max_change_hours": 169}, "`max_change_hours` must be from 1 to 168"),
    "a change of no hour": ({"max_change_hours": 0}, "`max_change_hours` must be from 1 to 168"),
    "everybody approves": ({"approve": [{**APPROVE, "principals": ["*@example.org"]}]}, "`principals` must be"),
    "nobody approves": ({"approve": [{**APPROVE, "principals": []}]}, "`principals` must be"),
    "an approver twice": ({"approve": [{**APPROVE, "principals": [NAMES[1]] * 2}]}, "`principals` must be"),
    "nowhere": ({"approve": [{**APPROVE, "prefixes": []}]}, "`prefixes` must name at least one"),
    "a bad prefix": ({"approve": [{**APPROVE, "prefixes": ["/prod"]}]}, "`prefixes`: "),
    "nothing": ({"approve": [{**APPROVE, "purposes": []}]}, "`purposes` must name at least one"),
    "an unknown purpose": ({"approve": [{**APPROVE, "purposes": ["put"]}]}, "must name purposes, each once"),
    "approving a look": ({"approve": [{**APPROVE, "purposes": ["list"]}]}, "nobody approves what only looks"),
    "a typing error": ({"may": [{**MAY, "aprovals": 1}]}, "unknown field"),
}


def test_settings_with_approvals_are_read() -> None:
    file = msgspec.convert(GOOD, SignersFile)
    assert (file.most_approvals, file.max_change_hours) == (1, 24)
    plain = {"principal": ANNA, "prefixes": ["prod"], "purposes": ["verify"]}
    assert msgspec.convert({**GOOD, "may": [MAY, plain]}, SignersFile).most_approvals == 1, "none are asked of it"


def test_the_settings_of_the_operators_page_are_settings() -> None:
    page = (Path(__file__).parents[4] / "docs/operate/approvals.md").read_text()
    found = tomllib.loads(page.split("```toml\n")[1].split("```")[0])
    assert msgspec.convert(found["signers"], SignersFile).most_approvals == 1


@pytest.mark.parametrize("name", sorted(BAD))
def test_settings_that_could_let_somebody_write_alone_by_mistake_are_refused(name: str) -> None:
    fields, message = BAD[name]
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert({**GOOD, **fields}, SignersFile)
