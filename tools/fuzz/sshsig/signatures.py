"""Containers of signatures: mutated by bytes and by fields, and signed anew.

Each try must end in one of two ways: `FaultError`, or a value that serialises to the same bytes. A container that
verifies holds what its keys signed, but for the sign of an ECDSA number; `ssh-keygen -Y verify` must accept a sample.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from monoskope.protocol import sshsig
from monoskope.protocol.identity import Namespace
from monoskope.protocol.sshsig import FaultError, PublicKey
from tests.support import ssh_blobs
from tests.support.ssh_blobs import SshKey, certificate, container, string, to_sign, u32, u64
from tools.fuzz.sshsig.oracle import accepts

MESSAGE = b"the statement"
VALID = (1_800_000_000, 1_800_003_600)
INTERESTING = (
    b"",
    b"\x00",
    b"\xff" * 4,
    b"\x00" * 32,
    b"sha256",
    b"sha512",
    b"file",
    b"request@monoskope",
    b"ssh-dss",
    b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
    b"rsa-sha2-256",
    b"rsa-sha2-512",
    b"ssh:",
    b"https://example.org",
    string(b"verify-required") + string(b""),
    string(b"permit-pty") + string(b""),
    string(b"anna") + string(b"bert"),
    u64(2**64 - 1),
    u64(0),
    u32(2),
)
ORDERS = {
    "nistp256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "nistp384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    "nistp521": (
        0x01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409
    ),
}


@dataclasses.dataclass
class Seed:
    """A good container, by its fields: (whether it has a length before it, its bytes)."""

    key: SshKey
    ca: SshKey | None
    signer: list[tuple[bool, bytes]]
    """The fields of the key, or of the certificate without its signature."""
    blob: bytes = b""


def seeds() -> list[Seed]:
    """One plain container a kind of key, and certificates over each by changing CAs."""
    plain = [
        ssh_blobs.ed25519(),
        *(ssh_blobs.ecdsa(bits) for bits in (256, 384, 521)),
        ssh_blobs.rsa_key(),
        ssh_blobs.rsa_key(algorithm=b"rsa-sha2-256"),
    ]
    hardware = [ssh_blobs.ed25519(b"ssh:"), ssh_blobs.ecdsa(256, b"ssh:work")]
    found = [Seed(key, None, fields(key.blob)) for key in (*plain, *hardware)]
    for number, key in enumerate((*plain, *hardware)):
        ca = plain[(number + 1) % len(plain)]
        signed = certificate(key, ca, valid=VALID)
        found.append(Seed(key, ca, certificate_fields(key, signed)))
    for seed in found:
        seed.blob = assemble(seed, seed.signer)
    return found


def fields(content: bytes) -> list[tuple[bool, bytes]]:
    """Split bytes that are strings alone."""
    found = []
    while content:
        size = int.from_bytes(content[:4], "big")
        found.append((True, content[4 : 4 + size]))
        content = content[4 + size :]
    return found


def certificate_fields(key: SshKey, signed: bytes) -> list[tuple[bool, bytes]]:
    """Split a certificate without its last field."""
    head = 2 + len(fields(key.fields))
    found: list[tuple[bool, bytes]] = []
    for wanted in (*[0] * head, 8, 4, 0, 0, 8, 8, 0, 0, 0, 0):
        size = wanted or 4 + int.from_bytes(signed[:4], "big")
        found.append((not wanted, signed[:size] if wanted else signed[4:size]))
        signed = signed[size:]
    return found


def joined(parts: Sequence[tuple[bool, bytes]]) -> bytes:
    """Write fields again."""
    return b"".join(string(content) if counted else content for counted, content in parts)


def assemble(seed: Seed, parts: Sequence[tuple[bool, bytes]]) -> bytes:
    """Return the container of these fields, signed anew by the seed's key and CA."""
    signer = joined(parts)
    if seed.ca is not None:
        signer += string(seed.ca.sign(signer))
    return container(signer, seed.key.sign(to_sign(MESSAGE)))


class Signatures:
    """What is tried, and what must hold."""

    def __init__(self, chosen: random.Random, counts: Counter[str], folder: Path) -> None:
        self.random = chosen
        self.counts = counts
        self.folder = folder
        self.seeds = seeds()
        self.pool = [content for seed in self.seeds for _, content in seed.signer] + list(INTERESTING)
        self.asked_at = 0.0

    def once(self) -> None:
        """Make one blob and read it."""
        seed = self.random.choice(self.seeds)
        signed, blob = self.mutated(seed)
        self.counts["signatures"] += 1
        try:
            self.check(seed, signed, blob)
        except FaultError as error:
            self.counts[f"fault {error.fault.value}"] += 1
        except Exception as error:
            raise AssertionError(blob.hex()) from error

    def mutated(self, seed: Seed) -> tuple[bytes, bytes]:
        """Return what the seed's keys signed last, and what became of it."""
        way = self.random.randrange(10)
        if way < 4:
            signed = assemble(seed, self.changed_fields(seed.signer))
            return signed, (signed if way < 3 else self.changed_bytes(signed))
        if way < 5:
            return seed.blob, self.spliced(seed)
        if way < 7:
            return seed.blob, seed.blob[:10] + joined(self.changed_fields(fields(seed.blob[10:])))
        return seed.blob, self.changed_bytes(seed.blob)

    def spliced(self, seed: Seed) -> bytes:
        """A signature of one seed behind the signer of another."""
        other = self.random.choice(self.seeds)
        parts, others = fields(seed.blob[10:]), fields(other.blob[10:])
        at = self.random.randrange(len(parts))
        parts[at] = others[at]
        return seed.blob[:10] + joined(parts)

    def changed_fields(self, parts: Sequence[tuple[bool, bytes]]) -> list[tuple[bool, bytes]]:
        """Change, remove, repeat or exchange one or two fields."""
        changed = list(parts)
        for _ in range(self.random.choice((1, 1, 1, 2))):
            at = self.random.randrange(len(changed))
            counted, content = changed[at]
            match self.random.randrange(7):
                case 0:
                    changed[at] = (counted, self.random.choice(self.pool))
                case 1:
                    changed[at] = (counted, self.changed_bytes(content))
                case 2:
                    changed[at] = (counted, content + self.random.choice(self.pool)[:40])
                case 3:
                    changed[at] = (counted, b"\x00" + content)
                case 4 if len(changed) > 1:
                    del changed[at]
                case 5:
                    changed.insert(at, changed[at])
                case _ if counted and content:
                    inner = fields(content) if joined(fields(content)) == content else [(False, content)]
                    self.random.shuffle(inner)
                    changed[at] = (True, joined(inner + inner[: self.random.randrange(2)]))
                case _:
                    changed[at] = (counted, self.random.randbytes(max(1, len(content))))
        return changed

    def changed_bytes(self, blob: bytes) -> bytes:
        """Change one to four places."""
        changed = bytearray(blob)
        for _ in range(self.random.choice((1, 1, 1, 2, 4))):
            at = self.random.randrange(len(changed) + 1)
            match self.random.randrange(6):
                case 0 if at < len(changed):
                    changed[at] ^= 1 << self.random.randrange(8)
                case 1 if at < len(changed):
                    changed[at] = self.random.choice((0, 1, 0x7F, 0x80, 0xFF, self.random.randrange(256)))
                case 2:
                    changed[at:at] = self.random.randbytes(self.random.randrange(1, 5))
                case 3:
                    del changed[at : at + self.random.randrange(1, 9)]
                case 4:
                    changed[at : at + 4] = u32(self.random.choice((0, 1, 4, 32, 33, 64, 2**31, 2**32 - 1)))
                case _:
                    del changed[at:]
        return bytes(changed)

    def check(self, seed: Seed, signed: bytes, blob: bytes) -> None:
        """Read a blob, and hold what must hold of everything that is accepted."""
        found = sshsig.parse(blob, Namespace.REQUEST)
        self.counts["parsed"] += 1
        assert found.serialise() == blob
        assert sshsig.parse(found.serialise(), Namespace.REQUEST) == found
        found.verify(MESSAGE)
        self.counts["verified"] += 1
        assert found.key.blob in {one.key.blob for one in self.seeds}
        if blob != signed:
            # What verifies is what was signed, but for (r, s) and (r, n - s), which sign the same.
            originals = [sshsig.parse(one.blob, Namespace.REQUEST) for one in self.seeds]
            with contextlib.suppress(FaultError):
                originals.append(sshsig.parse(signed, Namespace.REQUEST))
            assert canonical(found) in {canonical(one) for one in originals}, "another signature counts"
            assert certified(found) in {certified(one) for one in originals}, "another certificate counts"
        elif blob != seed.blob and time.monotonic() - self.asked_at > 1:
            self.asked_at = time.monotonic()
            self.ask_oracle(found, blob)

    def ask_oracle(self, found: sshsig.SshSignature, blob: bytes) -> None:
        """`ssh-keygen` must accept what we accept."""
        certificate = found.certificate
        principal = "anna" if certificate is None else certificate.principal
        key, options = (found.key, "") if certificate is None else (certificate.ca_key, "cert-authority ")
        at = VALID[0] if certificate is None else certificate.valid_after
        if 1 <= at < 2**33:
            self.counts["oracle"] += 1
            signers = f"{principal} {options}{ssh_blobs.public_line(key.blob)}\n"
            assert accepts(self.folder, blob, signers.encode(), principal=principal, at=at, message=MESSAGE), (
                "ssh-keygen refuses it"
            )


def canonical(found: sshsig.SshSignature) -> tuple[bytes, ...]:
    """Return the key and its signature."""
    return (found.key.blob, reduced(found.key, found.signature))


def certified(found: sshsig.SshSignature) -> tuple[bytes, ...]:
    """Return what the CA signed and its signature; nothing without a certificate."""
    certificate = found.certificate
    if certificate is None:
        return ()
    return (certificate.signed_part, reduced(certificate.ca_key, certificate.ca_signature))


def reduced(key: PublicKey, signature: sshsig.KeySignature) -> bytes:
    """Return a signature with the smaller of the two numbers that ECDSA allows for s."""
    if key.kind.curve is None:
        return signature.serialise(key)
    r, s = signature.numbers
    return b"%d %d %d %d" % (r, min(s, ORDERS[key.kind.curve.name] - s), signature.flags, signature.counter)
