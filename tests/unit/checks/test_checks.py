"""What `monoctl status` and `m8 doctor` share: one row a broken state with its fix, the printer, and how it ends."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from monoskope.checks.certificate import authority_check, server_check
from monoskope.checks.check import MOST_NAME, Check, Verdict, documents, ending, lines
from monoskope.checks.clock import clock_check
from monoskope.checks.log import LogSeen, WitnessSeen, log_checks
from monoskope.checks.store import StoreSeen, store_check
from monoskope.exit_codes import ExitCode

FAIL, WARN = Verdict.FAIL, Verdict.WARN
NOW = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)
NOW_MS = int(NOW.timestamp() * 1000)
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
RENEW = "m8 tls renew"
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)


def made(
    *,
    days: int = 90,
    begins: int = -1,
    may: str = "digital_signature",
    purposes: tuple[ObjectIdentifier, ...] = SERVER,
    ca: bool = False,
    names: tuple[str, ...] = ("m8.example.com", "*.eu.example.com"),
) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "m8")])
    uses = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    usage = dict.fromkeys((*uses, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW + dt.timedelta(days=begins))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{**usage, may: True}), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .sign(key, hashes.SHA256())
    )


def presented(certificate: x509.Certificate, *hosts: str) -> Check:
    hosts = hosts or ("m8.example.com", "a.eu.example.com")
    return server_check("certificate", certificate, hosts=hosts, trust="signed by us", now=NOW, renew=RENEW)


def authority(certificate: x509.Certificate) -> Check:
    return authority_check("CA", certificate, use="kept", now=NOW, renew=RENEW)


LOG = LogSeen("log", 7, NOW_MS - HOUR_MS, "", 1, "", [WitnessSeen("w1", NOW_MS - HOUR_MS, "")])


def of_log(name: str, **changed: object) -> Check:
    rows = log_checks(replace(LOG, **changed), NOW_MS)  # type: ignore[arg-type]
    (found,) = (row for row in rows if row.name == name)
    return found


def witness(at_ms: int, trouble: str = "") -> Check:
    return of_log("witness w1", witnesses=[WitnessSeen("w1", at_ms, trouble)])


STORE = StoreSeen("vault", active=True, engines=("ok",), attached_ever=True, lists_fail=False)

BROKEN = [
    (presented(made(days=0)), FAIL, "expired at 2026-12-01", RENEW),
    (presented(made(begins=1)), FAIL, "not valid before", RENEW),
    (presented(made(may="key_encipherment")), FAIL, "no digitalSignature", RENEW),
    (presented(made(purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,))), FAIL, "no serverAuth", RENEW),
    (presented(made(), "other.example.com"), FAIL, "not for other.example.com", RENEW),
    (presented(made(), "a.b.eu.example.com"), FAIL, "not for a.b.eu.example.com", RENEW),
    (presented(made(days=29)), WARN, "expires in 29 days", RENEW),
    (authority(made(ca=True, may="key_cert_sign", days=0)), FAIL, "expired", RENEW),
    (authority(made(ca=True)), FAIL, "no keyCertSign", RENEW),
    (authority(made(may="key_cert_sign")), FAIL, "no authority", RENEW),
    (clock_check(600, "m8"), FAIL, "600 s ahead of that of m8", "timedatectl"),
    (clock_check(-600, "m8"), FAIL, "600 s behind that of m8", "timedatectl"),
    (clock_check(10, "m8"), WARN, "10 s ahead", "timedatectl"),
    (of_log("log", trouble="the keys are gone."), FAIL, "the keys are gone", "m8 log status"),
    (of_log("log", signed_at_ms=NOW_MS - 3 * HOUR_MS), FAIL, "signed 3h ago", "m8 runs"),
    (of_log("log", signed_at_ms=0), WARN, "no checkpoint yet", "m8 log status"),
    (of_log("witnesses", quorum_trouble="1 of 1 is away."), FAIL, "is away", "m8 log status"),
    (witness(NOW_MS - 2 * DAY_MS), WARN, "cosigned last 2d ago", "Ask who runs it"),
    (witness(NOW_MS, "it refuses."), WARN, "it refuses", "m8 log status"),
    (witness(0), WARN, "never cosigned", "m8 log status"),
    (
        store_check(replace(STORE, engines=())),
        FAIL,
        "No reactor is attached",
        "its service, or `m8 reactor run FOLDER`",
    ),
    (store_check(replace(STORE, engines=(), active=False, attached_ever=False)), WARN, "ever attached", "activate"),
    (store_check(replace(STORE, engines=("refused", "unavailable"))), FAIL, "refused, unavailable", "reactor-cannot"),
    (store_check(replace(STORE, engines=("refused", "ok"))), WARN, "1 cannot use", "reactor-cannot"),
    (store_check(replace(STORE, lists_fail=True)), FAIL, "list of signers", "signers.md"),
    (store_check(replace(STORE, active=False)), WARN, "not active", "monoctl activate secret-store vault"),
]


@pytest.mark.parametrize(("check", "verdict", "said", "fix"), BROKEN, ids=lambda value: None)
def test_what_is_wrong_is_said_with_its_fix_and_ends_with_21_where_it_does_not_work(
    check: Check, verdict: Verdict, said: str, fix: str
) -> None:
    assert check.verdict is verdict, check
    assert said in check.said
    assert fix in check.fix
    assert ending([Check.ok("a", "b"), check]) == (ExitCode.CHECK_FAILED if verdict is FAIL else ExitCode.OK)
    assert int(ExitCode.CHECK_FAILED) == 21


def test_what_is_well_needs_no_fix() -> None:
    well = [presented(made()), authority(made(ca=True, may="key_cert_sign")), clock_check(1, "m8"), store_check(STORE)]
    well += [*log_checks(LOG, NOW_MS), store_check(replace(STORE, engines=("unknown",)))]
    assert {(row.verdict, row.fix) for row in well} == {(Verdict.OK, "")}


def test_rows_stay_aligned_whatever_is_in_them_and_a_fix_can_be_copied() -> None:
    long = "store " + "a" * 200 + "-end"
    rows = [
        Check.ok("log", "word " * 40),
        Check.fail(long, "/a/" + "path" * 40, "command " * 40 + "--last"),
        Check.not_known("\x1b[31m", "a\nFAIL  fake  row\u202e"),
    ]
    shown = lines(rows, columns=80)
    column = shown[0].index("word")
    assert all(line[:column].strip() == "" or line[column - 2 : column] == "  " for line in shown)
    assert [line for line in shown if line.startswith("FAIL")] == [shown[-3]]
    assert shown[-3].startswith("FAIL       store aaaaaaaaaa")
    assert "…" in shown[-3]
    assert shown[-3][:column].rstrip().endswith("-end")
    assert column == len("NOT KNOWN") + 2 + MOST_NAME + 2
    assert shown[-2].strip() == f"fix: {rows[1].fix}"
    assert all(line.isprintable() for line in shown)
    assert documents(rows)[1]["fix"] == rows[1].fix
    assert lines([Check.fail("a", "", "b")])[0].split() == ["FAIL", "a"], "no row is lost, whatever it says"
