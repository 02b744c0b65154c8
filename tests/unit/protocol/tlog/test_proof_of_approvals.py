"""The proof of what others approved: who approved what, recounted without a server, and every way in which it lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monoskope.api.secrets.v1 import proof_pb2, upload_pb2
from monoskope.client.proofs import verified
from monoskope.errors import LogMismatchError, UsageError
from monoskope.protocol.approvers import counted_alone
from monoskope.protocol.change import request_of
from monoskope.protocol.identity import Namespace, approval_statement
from monoskope.protocol.tlog.forms import Fault, LogProofError
from monoskope.protocol.tlog.upload_proof import UploadProof
from tests.support import ssh_blobs
from tests.support.executed import ANNA, BEN, EVA, EVE, Executed, a_change
from tests.support.proofs import POLICY, STORE, logged, proof
from tests.support.signed_requests import Person, lines_of
from tests.support.vectors import Signer, a_grant, a_request
from tests.unit.reactor.approving import CA, CA_LINE, certified

PINS = {"vault": STORE.shown}


def evidence(done: Executed) -> proof_pb2.UploadEvidence:
    """Return what m8 hands over of it: every approval that came with the request."""
    found = proof(done.grant, done.receipt()).evidence
    found.request_signature = done.signature
    found.change = done.change.content
    found.approvals.extend(done.approvals)
    return found


def file_of(done: Executed) -> bytes:
    """Return what a client writes of it."""
    found = evidence(done)
    counted_alone(found)
    return bytes(logged(found).file)


def list_of(*people: Person) -> str:
    return "\n".join([*lines_of(people, Namespace.APPROVAL), "# end", ""])


def refused(found: proof_pb2.UploadEvidence) -> LogProofError:
    with pytest.raises(LogProofError) as error:
        logged(found).verify(POLICY, PINS)
    return error.value


def test_it_says_who_approved_what_on_which_version_and_why() -> None:
    done = Executed(STORE, EVA, BEN)
    said = verified(file_of(done), POLICY, PINS)
    assert [(one.principal, one.key, one.lists) for one in said.approvers] == [
        (BEN.name, BEN.key, ()),
        (EVA.name, EVA.key, ()),
    ]
    assert (said.expect, said.expected_version, said.change_reason) == ("VERSION", "1@x", "quarterly")
    assert (said.change_id, said.change_sha256) == (done.change.change_id.hex(), done.change.sha256.hex())
    assert (said.signer, said.break_glass, said.approvals_asked) == (ANNA.name, "", 2)


def test_lists_say_by_whose_each_approver_stands() -> None:
    lists = {"ours": list_of(BEN, EVA), "theirs": list_of(EVE, BEN)}
    said = verified(file_of(Executed(STORE, BEN, EVA)), POLICY, PINS, lists)
    assert {one.principal: one.lists for one in said.approvers} == {BEN.name: ("ours", "theirs"), EVA.name: ("ours",)}


def test_an_approver_whom_no_given_list_has_is_refused() -> None:
    again = Person(BEN.name)
    for lists in ({"of ben": list_of(EVE)}, {"another key of ben": list_of(again)}, {"requests": ""}):
        with pytest.raises((LogMismatchError, UsageError)):
            verified(file_of(Executed(STORE, BEN)), POLICY, PINS, lists)
    with pytest.raises(UsageError, match="does not end with the line `# end`"):
        verified(file_of(Executed(STORE, BEN)), POLICY, PINS, {"cut": list_of(BEN).replace("# end\n", "")})


def test_a_line_counts_in_its_time_alone() -> None:
    """The record of these tests is of 1970."""
    late = list_of(BEN).replace("namespaces", 'valid-after="20200101Z",namespaces')
    with pytest.raises(LogMismatchError, match=r"ben@example\.org with the key .* is in none"):
        verified(file_of(Executed(STORE, BEN)), POLICY, PINS, {"of 2020": late})


def test_what_the_reactor_passed_over_is_left_out_of_the_file() -> None:
    done = Executed(STORE, BEN)
    done.approvals = [EVE.approves(done.change), b"no signature", *done.approvals, BEN.approves(a_change(STORE.shown))]
    found = evidence(done)
    assert refused(found).fault is Fault.APPROVALS
    counted_alone(found)
    assert [one.principal for one in logged(found).verify(POLICY, PINS).approvals] == [BEN.name]


def by_certificate(principal: str, names: str) -> Executed:
    """Return what an approval with a certificate for `principal` is in, where the receipt names its key otherwise."""
    done, key = Executed(STORE), ssh_blobs.ed25519()
    done.approvals = [certified(principal, done.change, key)]
    done.fields["approvers"] = [(names, key.fingerprint)]
    return done


def test_a_certificate_approves_for_its_own_principal_under_the_ca_of_a_list() -> None:
    content = file_of(by_certificate(BEN.name, BEN.name))
    assert verified(content, POLICY, PINS, {"ca": f"{CA_LINE}\n# end\n"}).approvers[0].lists == ("ca",)
    plain = f'{BEN.name} namespaces="approval@monoskope" {CA.line}\n# end\n'
    of_others = CA_LINE.replace("ben@", "gil@") + "\n# end\n"
    for lists in ({"the CA as a person": plain}, {"for others": of_others}):
        with pytest.raises(LogMismatchError, match="none of the lists"):
            verified(content, POLICY, PINS, lists)
    assert refused(evidence(by_certificate(EVA.name, BEN.name))).fault is Fault.APPROVALS


def _other_change(found: proof_pb2.UploadEvidence, done: Executed) -> None:
    found.change = a_change(STORE.shown).content


def _approval(sign: Callable[[Executed], bytes]) -> Callable[[proof_pb2.UploadEvidence, Executed], None]:
    def apply(found: proof_pb2.UploadEvidence, done: Executed) -> None:
        found.approvals[0] = sign(done)

    return apply


def _no_change(found: proof_pb2.UploadEvidence, done: Executed) -> None:
    found.change = b""


def _twice(found: proof_pb2.UploadEvidence, done: Executed) -> None:
    found.approvals.append(found.approvals[0])


def _none(found: proof_pb2.UploadEvidence, done: Executed) -> None:
    del found.approvals[:]


FAULTS: dict[str, Callable[[proof_pb2.UploadEvidence, Executed], None]] = {
    "another change": _other_change,
    "no change": _no_change,
    "no approval": _none,
    "one approval twice": _twice,
    "an approval of another change": _approval(lambda _: BEN.approves(a_change(STORE.shown))),
    "an approval by another key": _approval(lambda done: EVE.approves(done.change)),
    "an approval by another key of the same name": _approval(lambda done: Person(BEN.name).approves(done.change)),
    "a request's signature over the change": _approval(
        lambda done: BEN.signs_statement(approval_statement(done.change.sha256), Namespace.REQUEST)
    ),
    "one byte changed": _approval(lambda done: (blob := BEN.approves(done.change))[:-1] + bytes([blob[-1] ^ 1])),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_approval_or_a_change_that_does_not_fit_is_refused(fault: str) -> None:
    done = Executed(STORE, BEN)
    found = evidence(done)
    FAULTS[fault](found, done)
    assert refused(found).fault is Fault.APPROVALS
    counted_alone(found)
    if FAULTS[fault] is not _twice:
        assert refused(found).fault is Fault.APPROVALS, "nothing is mended by leaving something out"


def test_a_store_that_signs_for_a_change_of_another_requester_or_identity_is_refused() -> None:
    for change in (a_change(STORE.shown, requester=EVE.name), a_change(Signer().shown)):
        assert refused(evidence(Executed(STORE, BEN, change=change))).fault is Fault.APPROVALS


def test_a_request_that_asks_one_byte_more_than_the_change_is_refused() -> None:
    """The receipt names the change, and the store did something else."""
    done = Executed(STORE, BEN)
    fields: dict[str, Any] = {"expect": upload_pb2.EXPECT_VERSION, "expect_version": "2@x"}
    done.grant = a_grant(a_request(change_sha256=done.change.sha256, **fields), signature_required=True)
    done.signature = ANNA.signs(done.grant, b"s" * 32)
    assert refused(evidence(done)).fault is Fault.APPROVALS
    done.grant = a_grant(request_of(done.change, request_id=b"i" * 16, suites=(1,)), signature_required=True)
    done.signature = ANNA.signs(done.grant, b"s" * 32)
    assert logged(evidence(done)).verify(POLICY, PINS).change == done.change


def test_a_change_that_the_receipt_does_not_name_is_refused_and_left_out_of_the_file() -> None:
    done = Executed(STORE, BEN)
    fields: dict[str, Any] = {"expect": upload_pb2.EXPECT_VERSION, "expect_version": "1@x"}
    done.grant = a_grant(a_request(**fields), signature_required=True)
    done.signature, done.fields["approvers"] = ANNA.signs(done.grant, b"s" * 32), ()
    found = evidence(done)
    assert refused(found).fault is Fault.APPROVALS
    counted_alone(found)
    assert (found.change, list(found.approvals)) == (b"", [])
    assert UploadProof.parse(bytes(logged(found).file)).verify(POLICY, PINS).approvals == ()


def test_a_broken_glass_is_said_with_its_reason() -> None:
    done = Executed(STORE)
    fields: dict[str, Any] = {"expect": upload_pb2.EXPECT_VERSION, "break_glass": "the site is down"}
    request = a_request(expect_version="1@x", **fields)
    done.grant = a_grant(request, signature_required=True, approvals=1)
    done.signature = ANNA.signs(done.grant, b"s" * 32)
    found = proof(done.grant, done.receipt()).evidence
    found.request_signature = done.signature
    said = verified(bytes(logged(found).file), POLICY, PINS)
    assert (said.break_glass, said.approvers, said.change_sha256) == ("the site is down", (), "")
