"""Who may have what done: the settings of signers, their lists and revocations."""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monoskope import operating_log
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import RefusedError, UsageError
from monoskope.ownership import check_settings
from monoskope.protocol.grant import Grant, make_grant
from monoskope.protocol.identity import statement
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.sshsig import Fault
from monoskope.reactor.signers import NotAuthorizedError, Signers, settings
from monoskope.reactor.signers.settings import PURPOSE_BY_WORD, SignersFile
from monoskope.settings import convert
from monoskope.uri import SecretUri
from tests.support import ssh_blobs
from tests.support.vectors import KEY_ID, a_request

SEALED = hashlib.sha256(b"sealed").digest()
ANNA = "anna@example.org"
KEY, CA = ssh_blobs.ed25519(), ssh_blobs.ed25519()
TABLE: dict[str, Any] = {
    "file": "allowed_signers",
    "revoked": "revoked_keys",
    "unsigned": ["verify"],
    "may": [{"principal": ANNA, "prefixes": ["app"], "purposes": ["upload", "delete"]}],
}


def settled() -> float:
    """A clock for which every file has rested for long."""
    return time.time() + 60


def table(**changes: Any) -> SignersFile:
    return msgspec.convert({**TABLE, **changes}, SignersFile)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "allowed_signers").write_text(f"{ANNA} {KEY.line}\n*@example.org cert-authority {CA.line}\n# end\n")
    (tmp_path / "revoked_keys").write_text("# end\n")
    return tmp_path


@pytest.fixture
def signers(folder: Path) -> Signers:
    return Signers.load(table(), folder=folder, store="vault", clock=settled)


def a_grant(*, required: bool = True, **fields: Any) -> Grant:
    return make_grant(
        request=a_request(**fields),
        subject="anna",
        public_key=os.urandom(1216),
        replica=b"r" * 16,
        lifetime_s=300,
        max_plaintext=512,
        fingerprint_key_id=KEY_ID,
        signature_required=required,
    )


def sign(grant: Grant, sealed: bytes = SEALED, *, signer: bytes | None = None) -> bytes:
    return ssh_blobs.signed(KEY, statement(grant.sha256, sealed), signer)


def a_certificate(**fields: Any) -> bytes:
    now = int(time.time())
    return ssh_blobs.certificate(KEY, CA, **{"valid": (now - 60, now + 3600), "serial": 42, **fields})


def refused(signers: Signers, grant: Grant, signature: bytes, sealed: bytes = SEALED) -> NotAuthorizedError:
    with pytest.raises(NotAuthorizedError) as caught:
        signers.authorize(grant, sealed, signature)
    return caught.value


def test_a_listed_key_may_have_done_what_it_signed(signers: Signers) -> None:
    grant = a_grant()
    found = signers.authorize(grant, SEALED, sign(grant))
    assert (found.signer, found.signer_key, found.certificate) == (ANNA, KEY.fingerprint, "")


def test_of_a_certificate_the_key_in_it_is_named_and_the_audit_log_learns_the_ca(signers: Signers) -> None:
    grant = a_grant()
    found = signers.authorize(grant, SEALED, sign(grant, signer=a_certificate()))
    assert (found.signer, found.signer_key) == (ANNA, KEY.fingerprint)
    assert found.certificate == f"{CA.fingerprint} serial 42"


def test_a_signature_fits_one_grant_and_one_content(signers: Signers) -> None:
    grant, other = a_grant(), a_grant()
    signature = sign(grant)
    assert refused(signers, other, signature).fault is Fault.SIGNATURE
    assert refused(signers, grant, signature, hashlib.sha256(b"m8's own").digest()).fault is Fault.SIGNATURE


def test_no_signature_and_one_that_is_not_required_are_refused_alike(signers: Signers) -> None:
    assert refused(signers, a_grant(), b"").fault is Fault.MISSING
    unneeded = a_grant(required=False)
    assert refused(signers, unneeded, sign(unneeded)).fault is Fault.UNNEEDED
    assert refused(signers, unneeded, b"").fault is Fault.UNNEEDED


def test_what_others_see_of_a_refusal_does_not_say_why(signers: Signers) -> None:
    """Why is for the audit log alone: m8 must not learn who is listed, revoked or permitted."""
    sentences = {
        str(refused(signers, a_grant(), b"")),
        str(refused(signers, a_grant(), b"x")),
        str(refused(signers, forbidden := a_grant(uri="vault://other/db"), sign(forbidden))),
    }
    assert len(sentences) == 1
    assert refused(signers, forbidden, sign(forbidden)).why.startswith("no entry of signers.may")


def test_a_permission_is_for_this_reactors_store(signers: Signers) -> None:
    grant = a_grant(uri="other://app/db")
    assert refused(signers, grant, sign(grant)).fault is Fault.NOT_PERMITTED


@pytest.mark.parametrize(
    ("named", "signer", "allowed"),
    [
        ("*", ANNA, True),
        ("*", "5f0c-44", True),
        ("*@example.org", ANNA, True),
        ("*@example.org", "anna@example.org.evil", False),
        ("*@example.org", "anna@other.org", False),
        ("*anna", ANNA, False),
        (ANNA, f"x{ANNA}", False),
        ("*", "copies-from-vault", False),
        ("*vault", "copies-from-vault", False),
        ("copies-from-vault", "copies-from-vault", True),
    ],
)
def test_an_entry_with_a_star_is_for_whoever_is_listed_so_but_for_copy_keys(
    folder: Path, named: str, signer: str, *, allowed: bool
) -> None:
    (folder / "allowed_signers").write_text(f"{signer} {KEY.line}\n# end\n")
    rules = table(may=[{"principal": named, "prefixes": ["app"], "purposes": ["upload"]}])
    signers, grant = Signers.load(rules, folder=folder, store="vault", clock=settled), a_grant()
    if allowed:
        assert signers.authorize(grant, SEALED, sign(grant)).signer == signer
    else:
        assert refused(signers, grant, sign(grant)).fault is Fault.NOT_PERMITTED


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"principal": "*@exa*mple.org"}, "`principal` must be"),
        ({"principal": "**"}, "`principal` must be"),
        ({"principal": "* "}, "`principal` must be"),
        ({"principal": "*", "approvals": 1, "break_glass": True}, "`break_glass` must stand with one principal"),
    ],
)
def test_a_star_stands_first_and_breaks_no_glass(entry: dict[str, Any], why: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=why):
        table(approvers="approvers", may=[{"prefixes": [""], "purposes": ["upload"], **entry}])


def test_only_the_named_purposes_need_no_signature(signers: Signers, folder: Path) -> None:
    needing = {purpose for purpose in PURPOSE_BY_WORD.values() if signers.requires(purpose)}
    assert set(PURPOSE_BY_WORD.values()) - needing == {upload_pb2.PURPOSE_VERIFY}
    without = {key: value for key, value in TABLE.items() if key != "unsigned"}
    strict = Signers.load(msgspec.convert(without, SignersFile), folder=folder, store="vault")
    assert all(strict.requires(purpose) for purpose in PURPOSE_BY_WORD.values())


def test_a_key_that_leaves_the_list_no_longer_counts(signers: Signers, folder: Path) -> None:
    grant = a_grant()
    (folder / "allowed_signers").write_text("# end\n")
    assert refused(signers, grant, sign(grant)).fault is Fault.UNLISTED


def test_a_key_that_is_revoked_no_longer_counts(signers: Signers, folder: Path) -> None:
    grant = a_grant()
    before = signers.authorize(grant, SEALED, sign(grant)).lists
    (folder / "revoked_keys").write_text(f"{KEY.fingerprint}\n# end\n")
    after = refused(signers, grant, sign(grant))
    assert after.fault is Fault.REVOKED
    assert (before.file, before.revoked != after.lists.revoked) == (after.lists.file, True)
    assert after.lists.revoked == hashlib.sha256((folder / "revoked_keys").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("allowed_signers", lambda path: path.write_text("anna\n# end\n")),
        ("allowed_signers", lambda path: path.write_text("")),
        ("allowed_signers", Path.unlink),
        ("revoked_keys", Path.unlink),
        ("revoked_keys", lambda path: path.write_text("SHA256:cut")),
        ("revoked_keys", lambda path: path.chmod(0o666)),
    ],
)
def test_bad_lists_allow_nothing(signers: Signers, folder: Path, name: str, spoil: Callable[[Path], object]) -> None:
    grant, path, of_signers = a_grant(), folder / name, name == "allowed_signers"
    good = path.read_text()
    spoil(path)
    error = refused(signers, grant, sign(grant))
    assert error.fault is (Fault.UNLISTED if of_signers else Fault.REVOCATIONS)
    assert (error.lists.file if of_signers else error.lists.revoked, len(signers.state().troubles)) == ("", 1)
    path.unlink(missing_ok=True)
    path.write_text(good)
    assert signers.authorize(grant, SEALED, sign(grant)).signer == ANNA
    assert signers.state().troubles == ()


@pytest.mark.parametrize("left", ["", "cut"])
def test_revocations_that_are_emptied_or_cut_revoke_everybody(signers: Signers, folder: Path, left: str) -> None:
    """A full disk, or a script that failed, left the file so; it would be a good list of fewer revocations."""
    grant, path = a_grant(), folder / "revoked_keys"
    path.write_text(f"{CA.fingerprint}\n{KEY.fingerprint}\n# end\n")
    assert refused(signers, grant, sign(grant)).fault is Fault.REVOKED
    path.write_text(f"{CA.fingerprint}\n" if left else "")
    assert refused(signers, grant, sign(grant)).fault is Fault.REVOCATIONS
    (trouble,) = signers.state().troubles
    assert "does not end with the line `# end`" in trouble
    with pytest.raises(UsageError, match="does not end with the line `# end`"):
        Signers.load(table(), folder=folder, store="vault")


def test_a_revocation_that_is_gone_is_a_line_of_the_log(signers: Signers, folder: Path) -> None:
    stream, path = io.StringIO(), folder / "revoked_keys"
    operating_log.set_up(stream)
    lines = [f"{CA.fingerprint} serial {number}" for number in range(30)]
    path.write_text("".join(f"{line}\n" for line in (KEY.fingerprint, *lines, "# end")))
    signers.state()
    path.write_text(f"{lines[0]}\n# end\n")
    signers.state()
    signers.state()
    said = [json.loads(line)["message"].partition("no longer has")[2] for line in stream.getvalue().splitlines()]
    assert said == [f": {KEY.fingerprint}", *(f": {line}" for line in lines[1:20]), " 10 more lines"]


@pytest.mark.parametrize(
    ("named", "fields", "revoked"),
    [
        ("serial 0", {"serial": 0}, True),
        ("serial 0", {"serial": 7}, False),
        ("id anna's laptop", {"key_id": b"anna's laptop", "serial": 0}, True),
        ("id anna's laptop", {"key_id": b"anna's phone", "serial": 0}, False),
        ("id Анна", {"key_id": "Анна".encode()}, True),
        ("id anna\u00a0", {"key_id": "anna\u00a0".encode()}, True),
    ],
)
def test_a_certificate_without_a_serial_number_can_be_revoked_and_alone(
    signers: Signers, folder: Path, named: str, fields: dict[str, Any], *, revoked: bool
) -> None:
    """`ssh-keygen` gives the serial number 0 unless it is told another one."""
    (folder / "revoked_keys").write_text(f"{CA.fingerprint} {named}\n# end\n")
    plain, certified = a_grant(), a_grant()
    assert signers.authorize(plain, SEALED, sign(plain)).signer == ANNA
    signature = sign(certified, signer=a_certificate(**fields))
    if revoked:
        assert refused(signers, certified, signature).fault is Fault.REVOKED
    else:
        assert signers.authorize(certified, SEALED, signature).signer == ANNA


@pytest.mark.parametrize("key_id", ['"anna"', '"', "\u00a0"])
def test_a_key_id_that_would_revoke_nobody_is_a_bad_line(signers: Signers, folder: Path, key_id: str) -> None:
    """`ssh-keygen -L` shows key ids in quotes."""
    (folder / "revoked_keys").write_text(f"{CA.fingerprint} id {key_id}\n# end\n")
    grant = a_grant()
    refused(signers, grant, sign(grant))
    (trouble,) = signers.state().troubles
    assert "line 1: a key id is not empty, and stands without the quotes" in trouble


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"serial": 42}, "serial 42"),
        ({"serial": 0, "key_id": b"anna's laptop"}, "id anna's laptop"),
        ({"serial": 0, "key_id": b""}, "serial 0"),
    ],
)
def test_log_and_revocation_name_it_alike(signers: Signers, folder: Path, fields: dict[str, Any], line: str) -> None:
    grant = a_grant()
    signature = sign(grant, signer=a_certificate(**fields))
    found = signers.authorize(grant, SEALED, signature)
    assert found.certificate == f"{CA.fingerprint} {line}"
    (folder / "revoked_keys").write_text(f"{found.certificate}\n# end\n")
    assert refused(signers, grant, signature).fault is Fault.REVOKED


@pytest.mark.parametrize("name", ["allowed_signers", "revoked_keys"])
def test_a_reactor_does_not_start_without_good_lists(folder: Path, name: str) -> None:
    (folder / name).write_text("nonsense\n")
    with pytest.raises(UsageError, match="line 1"):
        Signers.load(table(), folder=folder, store="vault")
    (folder / name).chmod(0o664)
    with pytest.raises(RefusedError, match="others than its owner can write it"):
        Signers.load(table(), folder=folder, store="vault")
    (folder / name).unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        Signers.load(table(), folder=folder, store="vault")


def test_the_longest_validity_of_certificates_is_a_setting(folder: Path) -> None:
    grant, now = a_grant(), int(time.time())
    signature = sign(grant, signer=a_certificate(valid=(now - 60, now - 60 + 7201)))
    strict = Signers.load(table(max_certificate_hours=2), folder=folder, store="vault")
    assert refused(strict, grant, signature).fault is Fault.TOO_LONG_VALIDITY
    laxer = Signers.load(table(max_certificate_hours=3), folder=folder, store="vault")
    assert laxer.authorize(grant, SEALED, signature).signer == ANNA


def test_a_copy_needs_an_entry_with_its_destination(folder: Path) -> None:
    may = [{"principal": ANNA, "prefixes": [""], "purposes": ["copy"], "destinations": ["local://app", "third://"]}]
    signers = Signers.load(table(may=may), folder=folder, store="vault")
    for destination, allowed in (("local://app/db", True), ("local://apple/db", False), ("third://x", True)):
        grant = a_grant(purpose=upload_pb2.PURPOSE_COPY, destination=SecretUri.parse(destination))
        if allowed:
            assert signers.authorize(grant, SEALED, sign(grant)).signer == ANNA
        else:
            assert refused(signers, grant, sign(grant)).fault is Fault.NOT_PERMITTED


ENTRY: dict[str, Any] = {"principal": "anna", "prefixes": ["team-a"], "purposes": ["upload"]}
TEXTS: dict[str, Any] = {"file": "allowed_signers", "revoked": "revoked_keys", "may": [ENTRY]}


def test_each_purpose_has_a_word() -> None:
    assert set(PURPOSE_BY_WORD.values()) == set(PURPOSES)
    assert set(PURPOSE_BY_WORD) >= {"upload", "patch", "compare", "generate", "verify", "delete", "import"}
    assert PURPOSE_BY_WORD["rollback"] == upload_pb2.PURPOSE_ROLLBACK


def test_nothing_is_allowed_or_unsigned_unless_it_is_written() -> None:
    table = convert({"file": "a", "revoked": "b"}, SignersFile, where="here")
    assert (table.may, table.unsigned, table.max_certificate_hours) == ([], [], 16)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("file", ""),
        ("revoked", ""),
        ("unsigned", ["put"]),
        ("unsigned", ["VERIFY"]),
        ("unsigned", ["verify", "verify"]),
        ("max_certificate_hours", 0),
        ("max_certificate_hours", 169),
        ("signers", []),
    ],
)
def test_a_table_with_a_bad_field_is_refused(field: str, value: Any) -> None:
    with pytest.raises(UsageError, match=field):
        convert({**TEXTS, field: value}, SignersFile, where="here")


@pytest.mark.parametrize("missing", ["file", "revoked"])
def test_both_lists_are_named(missing: str) -> None:
    with pytest.raises(UsageError, match=missing):
        convert({name: value for name, value in TEXTS.items() if name != missing}, SignersFile, where="here")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"principal": "anna b"}, "principal"),
        ({"principal": "anna*"}, "principal"),
        ({"principal": ""}, "principal"),
        ({"prefixes": []}, "prefixes"),
        ({"prefixes": ["/team-a"]}, "prefixes"),
        ({"prefixes": ["vault://team-a"]}, "prefixes"),
        ({"purposes": []}, "purposes"),
        ({"purposes": ["*"]}, "purposes"),
        ({"purposes": ["copy"]}, "destinations"),
        ({"destinations": ["local://"]}, "destinations"),
        ({"purposes": ["copy"], "destinations": ["local"]}, "destinations"),
        ({"prefix": ["team-a"]}, "prefix"),
    ],
)
def test_an_entry_with_a_bad_field_is_refused(change: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        convert({**TEXTS, "may": [{**ENTRY, **change}]}, SignersFile, where="here")


def test_the_table_of_the_comment_is_one(tmp_path: Path) -> None:
    text = (settings.__doc__ or "").partition("\n\n")[2]
    assert convert(tomllib.loads(text)["signers"], SignersFile, where=str(tmp_path)).may[0].destinations


@pytest.mark.parametrize("spoil", ["file", "folder", "missing"])
def test_settings_that_others_can_change_are_refused(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "folder" / "reactor.toml"
    path.parent.mkdir()
    path.write_text("")
    check_settings(path)
    if spoil == "missing":
        path.unlink()
    else:
        (path if spoil == "file" else path.parent).chmod(0o757)
    with pytest.raises(UsageError if spoil == "missing" else RefusedError, match=str(path)):
        check_settings(path)
