"""Lists of signers and of revocations: mutated by characters, words and lines.

Each try must end in `BadListError`, or in a list. A key that the list gives a principal must
have it by `ssh-keygen`, too: of that a sample is asked.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

from monoskope.protocol.identity import Namespace
from monoskope.protocol.sshsig.lists import BadListError, parse_listed, parse_revoked
from tests.support import ssh_blobs
from tests.support.ssh_blobs import certificate, signed
from tools.fuzz.sshsig.oracle import accepts

MESSAGE = b"the statement"
AT = 1_800_000_000
ANNA = "anna@example.org"
WORDS = (
    "cert-authority",
    'namespaces="request@monoskope"',
    'namespaces="*"',
    'valid-after="20200101Z"',
    'valid-before="20300101000000Z"',
    'valid-before="20300101"',
    "*@example.org",
    "*",
    "!anna",
    '"anna@example.org"',
    "anna?example.org",
    "bert,anna@example.org",
    "#",
    "ssh-ed25519",
    "serial",
    "1",
    '\\"',
    ",",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\x00",
    "\u2003",
    "\x0b",
    "\x85",
)


class Lists:
    """What is tried, and what must hold."""

    def __init__(self, chosen: random.Random, counts: Counter[str], folder: Path) -> None:
        self.random = chosen
        self.counts = counts
        self.folder = folder
        self.key, self.ca, other = ssh_blobs.ed25519(), ssh_blobs.ecdsa(256), ssh_blobs.ed25519()
        self.seeds = (
            f"# people\n{ANNA} {self.key.line} a comment\nbert {other.line}\n",
            f'{ANNA} valid-after="20200101Z",valid-before="203001010000Z" {self.key.line}\n',
            f'*@example.org,bert cert-authority,namespaces="request@monoskope" {self.ca.line}\nbert {other.line}\n',
        )
        self.revoked = f"# left\n{self.key.fingerprint}\n{self.ca.fingerprint} serial 7\n"
        self.plain = signed(self.key, MESSAGE)
        self.certified = signed(self.key, MESSAGE, certificate(self.key, self.ca, valid=(AT - 60, AT + 60)))
        self.asked_at = 0.0

    def once(self) -> None:
        """Make one list and read it."""
        listed = self.random.random() < 0.8
        text = self.mutated(self.random.choice(self.seeds) if listed else self.revoked)
        self.counts["lists"] += 1
        try:
            if listed:
                self.check(text)
            else:
                parse_revoked(text)
                self.counts["lists accepted"] += 1
        except BadListError:
            pass
        except Exception as error:
            raise AssertionError(ascii(text)) from error

    def mutated(self, text: str) -> str:
        """Change one to three places."""
        for _ in range(self.random.choice((1, 1, 2, 3))):
            at = self.random.randrange(len(text) + 1)
            match self.random.randrange(5):
                case 0:
                    text = text[:at] + self.random.choice(WORDS) + text[at:]
                case 1:
                    text = text[:at] + text[at + self.random.randrange(1, 6) :]
                case 2:
                    words = text.split(" ")
                    words[self.random.randrange(len(words))] = self.random.choice(WORDS)
                    text = " ".join(words)
                case 3:
                    words = text.split(" ")
                    words.insert(self.random.randrange(len(words) + 1), self.random.choice(WORDS))
                    text = " ".join(words)
                case _:
                    text = text[:at] + chr(self.random.choice((0x20, 0x22, 0x2A, 0x41, 0x3D, 0x0A))) + text[at + 1 :]
        return text

    def check(self, text: str) -> None:
        """Read a list of signers; what it gives to a key, ssh-keygen gives to it, too."""
        listed = parse_listed(text, Namespace.REQUEST)
        self.counts["lists accepted"] += 1
        for blob, key in ((self.plain, self.key), (self.certified, self.ca)):
            line = listed.get(key.blob)
            if line is None or not line.covers(ANNA) or not line.holds_at(AT):
                continue
            if line.authority == (key is self.ca) and time.monotonic() - self.asked_at > 0.5:
                self.asked_at = time.monotonic()
                self.counts["oracle"] += 1
                assert accepts(self.folder, blob, text.encode(), principal=ANNA, at=AT, message=MESSAGE), (
                    "ssh-keygen refuses it"
                )
