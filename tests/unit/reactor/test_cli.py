"""The command line, as its own process: what an operator types and sees."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import hmac
import json
import os
import re
import signal
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyrage
import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from monoskope.errors import RefusedError, UsageError
from monoskope.m8.http import tls
from monoskope.protocol.identity import Namespace
from monoskope.protocol.sshsig.lists import parse_listed
from monoskope.reactor import settings
from monoskope.reactor.identity import fingerprint_key_transfer
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.stores import registry
from monoskope.stores.vault.config import TokenFile, VaultConfig, policy_of
from tests.support.programs import CLEAN
from tests.support.real_m8 import serving
from tests.support.signed_requests import Person, write_lists
from tests.unit.reactor.commands import ends, given, init, process, typed

VAULT = VaultConfig(address="https://127.0.0.1:8200", auth=TokenFile(token_file="/t"))


def encrypt(content: bytes, passphrase: str) -> bytes:
    """Encrypt at most 64 KiB as age v1 does (https://age-encryption.org/v1), with scrypt's least work factor."""
    file_key, salt, nonce = (os.urandom(16) for _ in range(3))
    label = b"age-encryption.org/v1/scrypt" + salt
    wrapping = hashlib.scrypt(passphrase.encode(), salt=label, n=2, r=8, p=1, dklen=32)
    body = ChaCha20Poly1305(wrapping).encrypt(bytes(12), file_key, None)
    header = f"age-encryption.org/v1\n-> scrypt {_text(salt)} 1\n{_text(body)}\n---".encode()
    mac = hmac.digest(_derived(file_key, b"", b"header"), header, "sha256")
    last = bytes(11) + b"\x01"  # the first chunk, and the last
    payload = ChaCha20Poly1305(_derived(file_key, nonce, b"payload")).encrypt(last, content, None)
    return header + f" {_text(mac)}\n".encode() + nonce + payload


def _derived(file_key: bytes, salt: bytes, label: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=salt, info=label).derive(file_key)


def _text(raw: bytes) -> str:
    return b64encode(raw).decode().rstrip("=")


FIRST_SETTINGS = {
    "age": ["folder", "recipients", "identity_file", "restorable"],
    "aws-secretsmanager": ["region", "prefix", "layout", "readable", "deletable", "recovery_window_days", "restorable"],
    "aws-ssm": ["region", "prefix", "layout", "readable", "deletable", "tier"],
    "barbican": ["address", "readable", "auth"],
    "kubernetes": ["readable", "deletable", "auth"],
    "mariadb-account": ["host", "user", "password_file", "account_host"],
    "pass": ["folder", "gpg_home", "readable"],
    "postgresql-account": ["hosts", "user", "password_file", "database", "deletable"],
    "rabbitmq-account": ["address", "user", "password_file"],
    "redis-account": ["nodes", "user", "password_file"],
    "vault": ["address", "mount", "readable", "deletable", "patchable", "restorable", "binary", "auth"],
    "vault-kv1": ["address", "mount", "readable", "deletable", "auth"],
}
"""The fields of a first `[engine]` table, by kind, in order."""

TCACHE = "glibc.malloc.tcache_count"
COMMAND = [sys.executable, "-m", "monoskope.reactor"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a reactor for an `age` store."""
    init(tmp_path / "reactor")
    return tmp_path / "reactor"


def test_init_makes_a_private_folder_and_prints_the_identity_last(tmp_path: Path) -> None:
    folder = tmp_path / "reactor"
    shown = init(folder, "--prefix", "team-a", "--prefix", "team-b")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in folder.iterdir() if file.is_file())
    of = settings.read(folder)
    assert [str(prefix) for prefix in of.prefixes] == ["local://team-a", "local://team-b"]
    assert of.driver.kind == "age"
    assert typed("identity", folder).output == f"{shown}\n"


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_folder_that_useradd_left_open_is_closed_and_one_that_others_use_is_not(
    tmp_path: Path, *, is_shared: bool
) -> None:
    folder = tmp_path / "reactor"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "ca.crt").touch()
    (folder / "theirs").mkdir() if is_shared else (folder / ".config").mkdir()
    words = ("--store", "local", "--server", "m8:1", "--ca-file", folder / "ca.crt", "--type", "age")
    done = typed("init", folder, *words)
    if is_shared:
        assert isinstance(done.exception, RefusedError)
        assert done.exception.fix == f"Run: chmod 700 {folder}"
    assert stat.S_IMODE(folder.stat().st_mode) == (0o755 if is_shared else 0o700)
    assert (folder / "reactor.toml").exists() is not is_shared


def write_authority(file: Path) -> None:
    file.write_bytes(tls.make(["localhost"], now=dt.datetime.now(dt.UTC)).ca)


@pytest.mark.parametrize("allowed", [True, False])
def test_where_memory_can_be_swapped_out_only_the_setting_lets_it_run(tmp_path: Path, *, allowed: bool) -> None:
    folder, log = tmp_path / "reactor", tmp_path / "reactor" / "reactor.log"
    init(folder, *(["--allow-swap"] if allowed else []))
    file = folder / "reactor.toml"
    file.write_text(f'log_file = "reactor.log"\n{file.read_text()}')
    typed("fingerprint-key", "new", folder)
    write_authority(tmp_path / "ca.crt")
    (folder / "secrets").write_text("in the way: the engine does not open, and the reactor ends")
    code = (
        "from monoskope.reactor import cli\n"
        "from monoskope.reactor.memory import Swap, harden\n"
        "harden.__kwdefaults__['lock'] = lambda: False\n"
        "Swap.possible = lambda _: True\n"
        "cli.main()\n"
    )
    words = [sys.executable, "-c", code, "run", str(folder)]
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=CLEAN, timeout=60)
    assert done.returncode != 0
    assert ("the reactor's memory can be swapped to disk" in done.stderr) is not allowed
    assert ("allow_swap = true in reactor.toml" in done.stderr) is not allowed
    assert ("`m8 reactor init --allow-swap`" in done.stderr) is not allowed
    assert log.exists() is allowed
    if allowed:
        first = json.loads(log.read_text().splitlines()[0])
        assert first["level"] == "warning"
        assert first["message"].startswith("WARNING: the reactor's memory can be swapped to disk")


@pytest.mark.parametrize("kind", registry.kinds())
def test_init_writes_an_engine_table_that_its_driver_accepts(tmp_path: Path, kind: str) -> None:
    init(tmp_path / "reactor", *given(kind), kind=kind)
    driver, text = settings.read(tmp_path / "reactor").driver, (tmp_path / "reactor" / "reactor.toml").read_text()
    assert driver.kind == kind
    assert list(settings.read_file(tmp_path / "reactor").engine) == ["type", *FIRST_SETTINGS[kind]]
    assert kind != "kubernetes" or ("# Experimental" in text and driver.maturity == "experimental")
    for said in ("# Credentials: the AWS SDK's own chain", "docs/stores/aws.md"):
        assert (said in text) is kind.startswith("aws-")


def test_policy_prints_what_the_settings_need_and_asks_nobody(tmp_path: Path) -> None:
    init(tmp_path / "reactor", "--prefix", "team-a", *given("vault"), kind="vault")
    done = process("policy", tmp_path / "reactor")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == policy_of(VAULT, [("team-a",)])
    assert "delete" not in done.stdout  # nor undelete
    file = tmp_path / "reactor" / "reactor.toml"
    file.write_text(file.read_text().replace("deletable = false", "deletable = true"))
    expected = policy_of(msgspec.structs.replace(VAULT, deletable=True), [("team-a",)])
    for words in ((tmp_path / "reactor",), (file,), ("--config", tmp_path / "reactor"), ("--config", file)):
        assert typed("policy", *words).output == expected


@pytest.mark.parametrize("words", [(), (".", "--config", ".")])
def test_policy_needs_settings_named_once(words: tuple[str, ...]) -> None:
    done = process("policy", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "\nfix: " in done.stderr


def test_policy_says_what_is_wrong(tmp_path: Path) -> None:
    init(tmp_path / "files")
    none = process("policy", tmp_path / "files")
    assert (none.returncode, none.stdout) == (3, "")
    assert "'age' have no policy" in none.stderr
    assert "\nfix: " in none.stderr
    ends(process("policy", tmp_path / "nowhere"), 2, "reactor.toml")
    init(tmp_path / "vault", *given("vault"), kind="vault")
    file = tmp_path / "vault" / "reactor.toml"
    file.write_text(file.read_text().replace("role_id =", "role_idd ="))
    ends(process("policy", tmp_path / "vault"), 2, "unknown field `role_idd`", "Did you mean 'role_id'?")


def test_init_replaces_nothing(tmp_path: Path) -> None:
    shown = init(tmp_path / "reactor")
    again = process(
        "init", tmp_path / "reactor", "--store", "local", "--server", "x:1", "--ca-file", "x", "--type", "age"
    )
    ends(again, 2, "exists already")
    assert typed("identity", tmp_path / "reactor").output == f"{shown}\n"


@pytest.mark.parametrize(
    ("store", "server", "kind", "code", "said"),
    [("Local", "x:1", "age", 2, ""), ("local", "no where", "age", 2, ""), ("local", "x:1", "valt", 4, "'valt'")],
)
def test_init_refuses_bad_values_with_a_fix(  # noqa: PLR0917 - what is given, and what is said
    tmp_path: Path, store: str, server: str, kind: str, code: int, said: str
) -> None:
    done = process("init", tmp_path / "r", "--store", store, "--server", server, "--ca-file", "x", "--type", kind)
    ends(done, code, said, "\nfix: ", "Did you mean 'vault'?" if said else "")
    assert done.stderr.startswith("error: ")
    assert not (tmp_path / "r" / ("identity.key" if code == 2 else "")).exists()


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """The folders of two reactors."""
    init(tmp_path / "one")
    init(tmp_path / "two")
    return tmp_path / "one", tmp_path / "two"


def test_a_fingerprint_key_travels_to_another_reactor_by_recipient(pair: tuple[Path, Path], tmp_path: Path) -> None:
    (one, two), exported = pair, tmp_path / "key.age"
    key_id = typed("fingerprint-key", "new", one).output
    recipient, identity = carrier(tmp_path)
    identity.write_text(f"# made for carrying\n{identity.read_text()}")
    assert typed("fingerprint-key", "export", one, "--recipient", recipient, "-o", exported).exit_code == 0
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    assert (one / "fingerprint.key").read_bytes() not in exported.read_bytes()
    assert typed("fingerprint-key", "import", two, exported, "--identity", identity).output == key_id
    assert FingerprintKey.load(two).key_id == FingerprintKey.load(one).key_id


@pytest.mark.parametrize(
    ("way", "answers"), [("--passphrase", "open sesame\nopen sesame\n"), ("--passphrase-file=-", "open sesame\n")]
)
def test_a_key_travels_by_passphrase(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, answers: str
) -> None:
    monkeypatch.setattr("pyrage.passphrase.encrypt", encrypt)
    key_id = typed("fingerprint-key", "new", pair[0]).output.strip()
    done = typed("fingerprint-key", "export", pair[0], way, answers=answers)
    assert done.exit_code == 0
    assert "sesame" not in done.stderr
    (tmp_path / "key.age").write_bytes(done.stdout_bytes)
    done = typed("fingerprint-key", "import", pair[1], tmp_path / "key.age", answers="open sesame\n")
    assert done.output.endswith(f"{key_id}\n")
    assert "sesame" not in done.output


@pytest.mark.parametrize("words", [[], ["--passphrase", "--recipient", "age1x"], ["--recipient", "age1x"]])
def test_a_fingerprint_key_leaves_encrypted_only(tmp_path: Path, words: Sequence[str]) -> None:
    typed("fingerprint-key", "new", tmp_path)
    assert ends(process("fingerprint-key", "export", tmp_path, *words), 2).stdout == ""


def carrier(folder: Path) -> tuple[str, Path]:
    """Return an age recipient and its identity file."""
    key, file = pyrage.x25519.Identity.generate(), folder / "carrier"
    file.write_text(f"{key}\n")
    file.chmod(0o600)
    return str(key.to_public()), file


def test_an_import_takes_a_key_and_nothing_else(tmp_path: Path) -> None:
    recipient, identity = carrier(tmp_path)
    exported = tmp_path / "key.age"
    exported.write_bytes(bytes(pyrage.encrypt(b"short", [pyrage.x25519.Recipient.from_str(recipient)])))
    with pytest.raises(UsageError, match="32 bytes"):
        fingerprint_key_transfer.import_with_identity(tmp_path, exported, identity)
    exported.write_bytes(b"not an age file")
    with pytest.raises(RefusedError, match="cannot be opened"):
        fingerprint_key_transfer.import_with_identity(tmp_path, exported, identity)
    with pytest.raises(RefusedError, match="cannot be opened"):
        fingerprint_key_transfer.import_with_passphrase(tmp_path, exported, "a passphrase")
    with pytest.raises(UsageError, match="cannot be read"):
        fingerprint_key_transfer.import_with_identity(tmp_path, tmp_path / "nothing", identity)
    identity.write_text("not an identity\n")
    with pytest.raises(UsageError, match="not an age identity file"):
        fingerprint_key_transfer.import_with_identity(tmp_path, exported, identity)
    assert not (tmp_path / "fingerprint.key").exists()


def test_an_identity_that_others_can_read_is_refused(tmp_path: Path) -> None:
    recipient, identity = carrier(tmp_path)
    fingerprint_key_transfer.make(tmp_path)
    (tmp_path / "key.age").write_bytes(fingerprint_key_transfer.export_to(tmp_path, [recipient]))
    identity.chmod(0o644)
    with pytest.raises(RefusedError, match="mode 0644"):
        fingerprint_key_transfer.import_with_identity(tmp_path, tmp_path / "key.age", identity)


def test_an_empty_passphrase_protects_nothing(tmp_path: Path) -> None:
    fingerprint_key_transfer.make(tmp_path)
    with pytest.raises(UsageError, match="empty"):
        fingerprint_key_transfer.export_with(tmp_path, "")


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path) -> None:
    code = "import sys\nsys.modules['pyrage'] = None\nfrom monoskope.reactor import cli\ncli.main()\n"
    words = ["fingerprint-key", "new", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", code, *words], check=False, capture_output=True, text=True)
    ends(done, 2, "'pyrage'", "monoskope[reactor")


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda folder: (folder / "reactor.toml").unlink(), "m8 reactor init"),
        (lambda folder: (folder / "fingerprint.key").unlink(), "m8 reactor fingerprint-key new"),
        (lambda folder: (folder / "identity.key").chmod(0o644), "mode 0644"),
        (lambda folder: folder.chmod(0o755), "mode 0755"),
        (lambda folder: (folder.parent / "ca.crt").unlink(), "ca.crt"),
        (lambda folder: (folder.parent / "ca.crt").write_text(""), "holds no PEM certificate"),
    ],
)
def test_run_refuses_what_is_not_as_it_must_be(folder: Path, tmp_path: Path, break_it: object, says: str) -> None:
    typed("fingerprint-key", "new", folder)
    write_authority(tmp_path / "ca.crt")
    assert callable(break_it)
    break_it(folder)
    done = process("run", folder)
    ends(done, 3 if done.returncode == 3 else 2, says)


async def test_run_is_a_hardened_process_that_ends_cleanly_on_sigterm(tmp_path: Path) -> None:
    folder = tmp_path / "reactor"
    async with serving(tmp_path, store="local") as m8:
        await m8.create(init(folder, server=m8.server), kind="age")
        typed("fingerprint-key", "new", folder)
        running = subprocess.Popen([*COMMAND, "run", str(folder)], env=CLEAN, stderr=subprocess.PIPE, text=True)
        try:
            await m8.wire.until(lambda: m8.count("Heartbeat") >= 1)
            environment = _environment(running.pid)
            running.send_signal(signal.SIGTERM)
            await m8.detached()
            await asyncio.to_thread(running.wait, 30)
        finally:
            running.kill()
            _, log = running.communicate(timeout=30)
    assert running.returncode == 0
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [line["event"] for line in lines][-1] == "reactor stopped"
    assert "AGE-SECRET-KEY" not in log
    assert (folder / "fingerprint.key").read_bytes().hex() not in log
    if environment is not None:
        assert environment["PYTHONMALLOC"] == "malloc"
        # The C library of Debian 12 puts the end of a string in the place of the colon, once it has read it.
        tunables = f"{environment['GLIBC_TUNABLES']}:{TCACHE}={environment.get(TCACHE, '')}"
        assert f":{TCACHE}=0" in tunables


def _environment(pid: int) -> dict[str, str] | None:
    """Return the environment of a process; root alone may read it, for the process is not dumpable."""
    try:
        text = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8")
    except PermissionError:
        return None
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)


def test_a_second_new_key_is_refused_with_what_would_be_lost_and_no_advice_to_remove(tmp_path: Path) -> None:
    key_id = typed("fingerprint-key", "new", tmp_path).output.strip()
    done = process("fingerprint-key", "new", tmp_path)
    ends(
        done,
        2,
        f"has a fingerprint key already, with the id {key_id}",
        "no user can compare the hashes made so far",
        "docs/operate/rotate-fingerprint-key.md",
    )
    assert "emove" not in done.stderr


def test_a_key_that_is_replaced_is_kept_under_its_id(tmp_path: Path) -> None:
    before = typed("fingerprint-key", "new", tmp_path).output.strip()
    old = (tmp_path / "fingerprint.key").read_bytes()
    after = typed("fingerprint-key", "new", tmp_path, "--replace").output.strip()
    assert before != after
    assert FingerprintKey.load(tmp_path).key_id == after
    kept = tmp_path / f"fingerprint.key.{before}"
    assert (kept.read_bytes(), stat.S_IMODE(kept.stat().st_mode)) == (old, 0o600)


def test_an_import_replaces_another_key_if_told_and_the_same_never(pair: tuple[Path, Path], tmp_path: Path) -> None:
    one, two = pair
    recipient, identity = carrier(tmp_path)
    key_id = typed("fingerprint-key", "new", one).output
    typed("fingerprint-key", "export", one, "--recipient", recipient, "-o", tmp_path / "key.age")
    before = typed("fingerprint-key", "new", two).output.strip()
    words = ("fingerprint-key", "import", two, tmp_path / "key.age", "--identity", identity)
    ends(process(*words), 2, before, "was not changed")
    assert FingerprintKey.load(two).key_id == before
    assert typed(*words, "--replace").output == key_id
    assert (two / f"fingerprint.key.{before}").exists()
    assert typed(*words).output == key_id


@pytest.mark.parametrize("way", ["file", "-", "/dev/fd/0"])
def test_a_fingerprint_key_arrives_without_a_terminal(pair: tuple[Path, Path], tmp_path: Path, way: str) -> None:
    (one, two), words = pair, tmp_path / "passphrase"
    words.write_text("open sesame\n")
    words.chmod(0o600)
    key_id = typed("fingerprint-key", "new", one).output
    (tmp_path / "key.age").write_bytes(encrypt((one / "fingerprint.key").read_bytes(), "open sesame"))
    name = str(words) if way == "file" else way
    done = process(
        *("fingerprint-key", "import", two, tmp_path / "key.age", "--passphrase-file", name), given="open sesame\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, key_id, "")


@pytest.mark.soak  # age makes scrypt as slow as it can for the machine: 2 s to 40 s
def test_a_fingerprint_key_leaves_by_a_passphrase_without_a_terminal(tmp_path: Path) -> None:
    typed("fingerprint-key", "new", tmp_path)
    file = tmp_path / "key.age"
    words = ("fingerprint-key", "export", tmp_path, "-o", file, "--passphrase-file", "-")
    done = process(*words, given="open sesame\n")
    assert done.returncode == 0, done.stderr
    assert pyrage.passphrase.decrypt(file.read_bytes(), "open sesame") == (tmp_path / "fingerprint.key").read_bytes()


@pytest.mark.parametrize(
    ("content", "mode", "code", "said"),
    [
        (b"open sesame\n", 0o644, 3, "chmod 600"),
        (b"", 0o600, 2, "one line of text"),
        (b"two\nlines\n", 0o600, 2, "one line of text"),
        (b"\xff", 0o600, 2, "one line of text"),
        (None, 0o600, 2, "does not exist"),
    ],
)
def test_a_passphrase_file_is_private(tmp_path: Path, content: bytes | None, mode: int, code: int, said: str) -> None:
    typed("fingerprint-key", "new", tmp_path)
    file = tmp_path / "passphrase"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    done = process("fingerprint-key", "export", tmp_path, "--passphrase-file", file)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "sesame" not in done.stderr


def test_an_export_with_nobody_to_ask_names_the_option_for_that(tmp_path: Path) -> None:
    typed("fingerprint-key", "new", tmp_path)
    command = [*COMMAND, "fingerprint-key", "export", str(tmp_path), "--passphrase"]
    alone: dict[str, Any] = {"stdin": subprocess.DEVNULL, "start_new_session": True}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=CLEAN, timeout=60, **alone)
    ends(done, 2, "--passphrase-file")


@pytest.mark.parametrize("words", [("identity",), ("rotate-identity", "--yes"), ("run",)])
def test_a_lost_identity_says_what_is_lost_and_what_to_do(tmp_path: Path, words: tuple[str, ...]) -> None:
    folder = tmp_path / "reactor"
    init(folder, "--allow-swap")
    typed("fingerprint-key", "new", folder)
    (folder / "identity.key").unlink()
    write_authority(tmp_path / "ca.crt")
    done = process(words[0], folder, *words[1:])
    ends(done, 2, "Restore it from your copy", "every user has to pin another one", "docs/operate/lost-identity.md")
    assert not (folder / "identity.key.next").exists()


def test_a_rotation_of_the_identity_warns_and_asks_first(folder: Path) -> None:
    before = typed("identity", folder).output.strip()
    warned = ("Users:", "First stop all replicas", "if the new key is lost", "docs/operate/rotate-identity.md", "--yes")
    ends(process("rotate-identity", folder), 2, before, *warned)
    assert typed("identity", folder).output == f"{before}\n"


def test_copy_key_prints_its_line_for_the_destinations_list_and_makes_one_key(folder: Path) -> None:
    first, again = typed("copy-key", folder), typed("copy-key", folder)
    assert first.exit_code == 0, first.output
    line = first.stdout.strip()
    assert re.fullmatch(r'copies-from-local namespaces="request@monoskope" ssh-ed25519 [A-Za-z0-9+/=]+', line)
    assert again.stdout == first.stdout
    assert 'principal = "copies-from-local"' in first.stderr
    key = folder / "copy.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_bytes() != (folder / "identity.key").read_bytes()
    parse_listed(first.stdout, Namespace.REQUEST)


def test_copy_key_leaves_alone_what_is_no_key(folder: Path) -> None:
    (folder / "copy.key").write_text("something else")
    (folder / "copy.key").chmod(0o600)
    refused = typed("copy-key", folder)
    assert isinstance(refused.exception, UsageError)
    assert (folder / "copy.key").read_text() == "something else"


@pytest.mark.parametrize("spoil", ["reactor.toml", "", "allowed_signers"])
def test_settings_that_others_can_change_give_nobody_a_right(folder: Path, spoil: str) -> None:
    """Whoever can write them can say who may do what, or that nothing needs a signature."""
    with_signers(folder)
    spoilt = folder / spoil
    spoilt.chmod(spoilt.stat().st_mode | 0o022)
    refused = typed("check", folder).exception
    assert isinstance(refused, RefusedError)
    if spoil == "allowed_signers":
        assert refused.fix.startswith("Run: chmod go-w")
    else:
        assert refused.message.startswith(str(folder / "reactor.toml"))


def with_signers(folder: Path) -> None:
    """Give a reactor `[signers]`."""
    anna = Person("anna@example.org")
    write_lists(folder, anna)
    with (folder / "reactor.toml").open("a") as file:
        file.write(
            '\n[signers]\nfile = "allowed_signers"\nrevoked = "revoked_keys"\nunsigned = ["verify"]\n'
            '[[signers.may]]\nprincipal = "anna@example.org"\nprefixes = ["team-a"]\npurposes = ["upload", "copy"]\n'
            'destinations = ["other://team-a"]\n'
        )


def test_check_shows_who_may_have_what_done(folder: Path) -> None:
    assert "no [signers], and this reactor does what m8 asks" in typed("check", folder).output
    with_signers(folder)
    lines = typed("check", folder).output.splitlines()
    assert "Without a signature: verify" in lines
    assert "anna@example.org may upload, copy at local://team-a, to other://team-a" in lines
    assert any(line.startswith(f"Signers: {folder / 'allowed_signers'} (SHA-256 ") for line in lines)


@pytest.mark.parametrize("listed", [False, True], ids=["not listed", "listed"])
def test_check_says_whether_a_store_that_copies_to_itself_takes_its_own_copy_key(folder: Path, *, listed: bool) -> None:
    identity = typed("identity", folder).output.strip()
    with (folder / "reactor.toml").open("a") as file:
        file.write(f'\n[[copy]]\nto = "local"\nidentity = "{identity}"\npaths = [{{from = "a", to = "b"}}]\n')
    assert "Copies to: local (not signed: no key signs copies here)" in typed("check", folder).output
    with_signers(folder)
    assert "Copies to: local (not signed: no copy.key)" in typed("check", folder).output
    typed("copy-key", folder)
    if listed:
        with (folder / "reactor.toml").open("a") as file:
            file.write('[[signers.may]]\nprincipal = "copies-from-local"\nprefixes = ["b"]\npurposes = ["upload"]\n')
    said = "signed with copy.key" if listed else "refused here: no [[signers.may]] lets copies-from-local upload"
    assert f"Copies to: local ({said}): local://a to local://b\n" in typed("check", folder).output


ASKING = """
approvers = "allowed_approvers"
unsigned = ["verify", "patch"]
[[signers.may]]
principal = "anna@example.org"
prefixes = ["team-a/prod"]
purposes = ["upload", "delete"]
approvals = 2
break_glass = true
[[signers.may]]
principal = "anna@example.org"
prefixes = ["team-a"]
purposes = ["upload", "generate", "compare"]
[[signers.may]]
principal = "copies-from-vault"
prefixes = [""]
purposes = ["upload"]
[[signers.may]]
principal = "pipeline"
prefixes = ["team-b"]
purposes = ["upload"]
[[signers.approve]]
principals = ["ben@example.org", "eva@example.org", "leo@example.org"]
prefixes = ["team-a"]
purposes = ["upload"]
[[signers.approve]]
principals = ["ben@example.org"]
prefixes = ["team-a/prod/one"]
purposes = ["delete"]
"""


def test_check_shows_who_must_ask_whom_and_what_is_a_way_around(folder: Path) -> None:
    people = [Person(f"{name}@example.org") for name in ("anna", "ben", "eva")]
    write_lists(folder, people[0], approvers=people[1:])
    with (folder / "reactor.toml").open("a") as file:
        file.write('\n[signers]\nfile = "allowed_signers"\nrevoked = "revoked_keys"' + ASKING)
    lines = typed("check", folder).output.splitlines()
    where, by_copies = "at team-a/prod", "copies-from-vault may upload without approvals, by the rules of vault"
    assert lines[lines.index("pipeline may upload at local://team-b") + 1 :] == [
        f"anna@example.org must ask 2 of ben@example.org, eva@example.org to upload {where}",
        f"anna@example.org must ask 2 of nobody to delete {where}",
        "anna@example.org may break the glass there, with a security key",
        "Warning: the list of approvers has no line for leo@example.org.",
        f"Warning: anna@example.org must ask 2 to delete {where}, and 0 can approve it.",
        "Warning: patch needs no signature, also where anna@example.org must ask.",
        "Warning: anna@example.org may generate without approvals, at team-a, where anna@example.org must ask.",
        f"Warning: {by_copies} alone, at all paths, where anna@example.org must ask.",
    ]
    assert any(line.startswith(f"Approvers: {folder / 'allowed_approvers'} (SHA-256 ") for line in lines)
    assert any(line.startswith("All lists and entries: SHA-256 ") for line in lines)


ALSO = """
[[signers.may]]
principal = "dan@example.org"
prefixes = ["team-a/prod/one"]
purposes = ["upload", "generate", "copy"]
destinations = ["vault://team-a"]
approvals = 1
[[signers.may]]
principal = "leo@example.org"
prefixes = ["team-a/prod"]
purposes = ["copy"]
destinations = ["vault://team-a"]
"""


def test_check_warns_of_who_may_do_the_same_with_fewer_approvals(folder: Path) -> None:
    write_lists(folder)
    with (folder / "reactor.toml").open("a") as file:
        file.write('\n[signers]\nfile = "allowed_signers"\nrevoked = "revoked_keys"' + ASKING + ALSO)
    lines = typed("check", folder).output.splitlines()
    where = "at team-a/prod/one, where anna@example.org must ask"
    assert f"Warning: dan@example.org may upload with 1 of 2 approvals, {where}." in lines
    where = "at team-a/prod, where dan@example.org must ask"
    assert f"Warning: leo@example.org may copy without approvals, {where}." in lines


def test_check_says_what_a_star_lets_everybody_do(folder: Path) -> None:
    people = [Person(f"{name}@example.org") for name in ("anna", "ben", "eva")]
    write_lists(folder, people[0], approvers=people[1:])
    asking = ASKING.replace('"anna@example.org"', '"*"', 1).replace("break_glass = true", "")
    with (folder / "reactor.toml").open("a") as file:
        file.write('\n[signers]\nfile = "allowed_signers"\nrevoked = "revoked_keys"' + asking + ALSO)
    lines = typed("check", folder).output.splitlines()
    assert "whoever is listed may upload, delete at local://team-a/prod" in lines
    # Of two who can approve, one may be who asks.
    assert "Warning: whoever is listed must ask 2 to upload at team-a/prod, and 1 can approve it." in lines
    # The star covers dan, too, and the highest number counts: no way around. A copy key is none of them.
    assert not any("dan@example.org may upload with" in line for line in lines)
    assert any(line.startswith("Warning: copies-from-vault may upload without approvals") for line in lines)


def test_check_says_that_copies_to_a_key_that_must_ask_are_refused(folder: Path) -> None:
    write_lists(folder)
    asking = ASKING.replace("anna@example.org", "copies-from-age").replace("break_glass = true", "")
    with (folder / "reactor.toml").open("a") as file:
        file.write('\n[signers]\nfile = "allowed_signers"\nrevoked = "revoked_keys"' + asking)
    assert (
        "Warning: a copy key has no approvals to show, so what copies-from-age brings is refused at team-a/prod."
        in typed("check", folder).output.splitlines()
    )


def test_init_writes_empty_lists_and_check_says_what_their_last_line_is_for(folder: Path) -> None:
    lists = [folder / name for name in ("allowed_signers", "revoked_keys")]
    assert all(path.read_text().endswith("refuses everybody.\n# end\n") for path in lists)
    with (folder / "reactor.toml").open("a") as file:
        file.write('\n[signers]\nfile = "allowed_signers"\nrevoked = "revoked_keys"\n')
    assert (
        "Both end with the line `# end`: if one of them does not, everybody is refused."
        in typed("check", folder).output.splitlines()
    )
    lists[1].write_text("")
    refused = typed("check", folder).exception
    assert isinstance(refused, UsageError)
    assert "does not end with the line `# end`" in refused.message
    assert "write `# end` once, as its last line" in refused.fix


def test_init_leaves_lists_that_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "reactor"
    folder.mkdir(mode=0o700)
    (folder / "revoked_keys").write_text("mine\n# end\n")
    (folder / "revoked_keys").chmod(0o600)
    init(folder)
    assert (folder / "revoked_keys").read_text() == "mine\n# end\n"
