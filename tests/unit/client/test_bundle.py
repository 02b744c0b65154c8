"""How a bundle is made of its maker's own pins, fetched from whoever answers, compared, and added to pins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.client.bundle.compare import Address, check_named, compare, fetch
from monoskope.client.bundle.make import make
from monoskope.client.bundle.pins import MachinePins, New
from monoskope.client.http.transport import Roots
from monoskope.client.known.logs import LogPin
from monoskope.client.known.table import Setting
from monoskope.errors import Error, IdentityChangedError, LogMismatchError, NotFoundError, ProtocolError, UsageError
from monoskope.protocol.bundle import MAX_BYTES, WELL_KNOWN, Log, Login, NoBundleError, certificates_in
from monoskope.protocol.identity import grouped
from monoskope.settings import write_private
from tests.support.bundles import IDENTITY, OTHER_IDENTITY, SERVER, a_bundle, vkeys, witness
from tests.support.https_issuer import HttpsIssuer, https_issuer

CONTENT = bytes(a_bundle())


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[HttpsIssuer]:
    """Whatever answers at an address, and what it was asked."""
    with https_issuer(tmp_path) as found:
        yield found


def server(answering: HttpsIssuer) -> str:
    return answering.url.removeprefix("https://")


def roots(answering: HttpsIssuer) -> Roots:
    return Roots(answering.ca_file.read_bytes(), "the file")


def test_a_bundle_is_asked_for_once_and_without_a_credential(answering: HttpsIssuer) -> None:
    answering.answers[WELL_KNOWN] = (200, {"Set-Cookie": "a=b"}, CONTENT)
    assert fetch(server(answering), roots(answering)) == CONTENT
    assert fetch(server(answering), None) == CONTENT  # its fingerprint is known beforehand
    assert answering.asked == [(WELL_KNOWN, "")] * 2


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_asked(
    answering: HttpsIssuer, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with https_issuer(tmp_path / "other") as other, pytest.raises(IdentityChangedError) as caught:
        fetch(server(answering), roots(other))
    assert "--fingerprint" in caught.value.fix
    assert answering.asked == []


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        ((404, {}, b""), NotFoundError, "publishes no bundle"),
        ((302, {"Location": "https://evil.example/"}, b""), ProtocolError, "sends its callers elsewhere"),
        ((200, {}, b"x" * (MAX_BYTES + 1)), NoBundleError, "more than 65,536 bytes"),
        ((403, {"Content-Type": "text/html"}, b"<b>"), ProtocolError, "is not m8"),
    ],
)
def test_what_is_no_answer_with_a_bundle_is_told(
    answering: HttpsIssuer, answer: tuple[int, dict[str, str], bytes], kind: type[Error], says: str
) -> None:
    answering.answers[WELL_KNOWN] = answer
    with pytest.raises(kind, match=says):
        fetch(server(answering), roots(answering))
    assert len(answering.asked) == 1


def test_the_address_of_m8_and_the_link_to_its_bundle_are_one() -> None:
    for text in (
        "https://M8.example.org",
        "https://m8.example.org/",
        f"https://{SERVER}{WELL_KNOWN}",
        f"HTTPS://{SERVER}{WELL_KNOWN}/#SHA256:x",
    ):
        found = Address.parse(text)
        assert found is not None
        assert (found.server, found.has_fingerprint) == (SERVER, "#" in text)
    assert Address.parse("bundle.json") is None
    for text in ("https://m8.example.org/other", f"https://{SERVER}?x", "https://anna@m8.example.org", "https://"):
        with pytest.raises(UsageError):
            Address.parse(text)


def test_the_fingerprint_is_compared_in_groups_or_not_and_to_the_last_character() -> None:
    bundle, shown = a_bundle(), a_bundle().fingerprint
    for typed in (shown, grouped(shown), f"  {shown}\n", grouped(shown).replace(" ", "\u00a0\t")):
        compare(bundle, typed)
    other = shown[:-1] + ("A" if shown[-1] != "A" else "B")
    for typed in (other, a_bundle(contact="Eve").fingerprint, shown.swapcase().replace("sha", "SHA", 1)):
        with pytest.raises(IdentityChangedError) as caught:
            compare(bundle, typed)
        assert shown in caught.value.message
    for typed in ("", "y", "yes", shown[:-1], shown + "A", shown.removeprefix("SHA256:"), f'"{shown}"'):
        with pytest.raises(UsageError):
            compare(bundle, typed)


def test_a_bundle_for_another_server_than_the_one_that_was_named_is_refused() -> None:
    check_named(a_bundle(servers=("other.example.org:1", SERVER)), Address(SERVER, False))
    with pytest.raises(IdentityChangedError, match=r"for another server: evil\.example:7443"):
        check_named(a_bundle(servers=("evil.example:7443",)), Address(SERVER, False))


# --- made of one's own pins ---


@pytest.fixture
def known(tmp_path: Path) -> Path:
    path = tmp_path / "known_stores"
    write_private(
        path,
        f"{SERVER} @default vault\n{SERVER} vault {IDENTITY}\n{SERVER} age {OTHER_IDENTITY}\n"
        f"other.example.org:7443 vault SHA256:{'C' * 42}E\n".encode(),
    )
    write_private(tmp_path / "known_logs", LogPin(vkeys()).line(SERVER).encode())
    return path


def settings(known: Path, **more: str) -> dict[str, Setting]:
    given = {
        "server": SERVER,
        "known_stores": str(known),
        "login_issuer": "https://login.example.org/realms/main",
        "login_client_id": "monoctl",
        "login_scopes": "groups",
    }
    return {name: Setting(value, "a test") for name, value in (given | more).items()}


def test_a_bundle_says_what_its_maker_has_pinned_for_this_server_alone(known: Path, answering: HttpsIssuer) -> None:
    assert make(settings(known), a_bundle().contact) == a_bundle()
    ca = certificates_in(answering.ca_file.read_text())
    made = make(
        settings(
            known,
            server=f"{SERVER},m8b.example.org:7443",
            ca_file=str(answering.ca_file),
            login_ca_file=str(answering.ca_file),
            login_audience="m8",
            login_hosts="a.example b.example",
            log_witnesses=f"{witness('a')} {witness('b')}",
            log_quorum="2",
        ),
        "Ben",
    )
    assert made == a_bundle(
        servers=(SERVER, "m8b.example.org:7443"),
        contact="Ben",
        ca=ca,
        login=Login("https://login.example.org/realms/main", "monoctl", "m8", "groups", "a.example b.example", ca),
        log=Log(vkeys(), (witness("a"), witness("b")), 2),
    )
    assert answering.asked == []


def test_what_is_missing_is_named_with_the_command_that_gets_it(known: Path) -> None:
    for missing, command in (("login_issuer", "config set login_issuer"), ("login_client_id", "login_client_id")):
        found = settings(known)
        del found[missing]
        with pytest.raises(UsageError, match=f"no {missing} is configured") as caught:
            make(found, "Anna")
        assert command in caught.value.fix
    with pytest.raises(UsageError, match="`contact`"):
        make(settings(known), " ")
    with pytest.raises(UsageError, match=r"no store of new\.example:7443 is pinned") as caught:
        make(settings(known, server="new.example:7443"), "Anna")
    assert "monoctl verify secret" in caught.value.fix
    known.with_name("known_logs").unlink()
    with pytest.raises(UsageError, match=r"no log of .* is pinned") as caught:
        make(settings(known), "Anna")
    assert "monoctl get log" in caught.value.fix


# --- added to the pins of a machine ---


def test_a_new_machine_pins_all_and_once_more_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "known_stores"
    pins = MachinePins(path, a_bundle())
    assert pins.new() == New(("age", "vault"), log=True)
    assert not path.parent.exists()
    pins.add()
    written = path.read_bytes(), path.with_name("known_logs").read_bytes()
    assert written[0].decode().splitlines() == [
        f"{SERVER} @default vault",
        f"{SERVER} age {OTHER_IDENTITY}",
        f"{SERVER} vault {IDENTITY}",
    ]
    assert written[1].decode() == LogPin(vkeys()).line(SERVER)
    assert pins.new() == New((), log=False)
    pins.add()
    assert (path.read_bytes(), path.with_name("known_logs").read_bytes()) == written


def test_an_interrupted_one_is_completed_and_new_stores_are_added(known: Path) -> None:
    known.with_name("known_logs").unlink()
    more = a_bundle(stores={"vault": IDENTITY, "age": OTHER_IDENTITY, "db": f"SHA256:{'D' * 42}E"})
    pins = MachinePins(known, more)
    assert pins.new() == New(("db",), log=True)
    pins.add()
    assert f"{SERVER} db SHA256:" in known.read_text()
    assert f"{SERVER} vault {IDENTITY}\n" in known.read_text()


DIFFERENT: list[tuple[dict[str, Any], type[Error], tuple[str, ...]]] = [
    ({"stores": {"vault": f"SHA256:{'E' * 43}"}}, IdentityChangedError, (IDENTITY, f"SHA256:{'E' * 43}")),
    ({"stores": {"other": IDENTITY}, "default_store": ""}, IdentityChangedError, ("'vault'", "'other'")),
    ({"default_store": "age"}, IdentityChangedError, ("'vault'", "'age'")),
    ({"log": Log(vkeys("another"))}, LogMismatchError, (vkeys()[0], vkeys("another")[0])),
]


@pytest.mark.parametrize(("changed", "kind", "names"), DIFFERENT, ids=["identity", "name", "default", "log"])
def test_a_difference_names_both_and_changes_nothing(
    known: Path, changed: dict[str, Any], kind: type[Error], names: tuple[str, ...]
) -> None:
    before = known.read_bytes(), known.with_name("known_logs").read_bytes()
    for _ in range(2):
        pins = MachinePins(known, a_bundle(**changed))
        with pytest.raises(kind) as caught:
            pins.add()
        assert all(name in caught.value.message for name in names), caught.value.message
    assert (known.read_bytes(), known.with_name("known_logs").read_bytes()) == before
