"""Real GnuPG keys for tests, made in a folder of their own; the program gpg comes from the system."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from monoskope.testing.parts import needed

ANNA = "anna@example.org"
BERT = "bert@example.org"


@dataclass(frozen=True, slots=True)
class Keys:
    """GnuPG's folders of a test's life."""

    both: Path
    """Has the secret keys of Anna and Bert, without passphrases."""
    public: Path
    """Has their public keys alone."""

    def gpg(self, *arguments: str, data: bytes = b"", home: Path | None = None) -> bytes:
        """Run gpg as a person does, in `home` or with both secret keys, and return what it wrote."""
        folder = str(home or self.both)
        command = ["gpg", "--homedir", folder, "--batch", "--quiet", "--trust-model=always", *arguments]
        return subprocess.run(command, input=data, capture_output=True, check=True).stdout


@contextmanager
def keys() -> Iterator[Keys]:
    """Make the keys, and in the end remove them and end GnuPG's agents.

    Raises:
        NotInstalledError: there is no gpg here.
    """
    needed("gpg", "gnupg")
    # A short path, because the agent's socket is in it and a socket's path has at most 108 bytes.
    folder = Path(tempfile.mkdtemp(prefix="m8-gpg-", dir="/tmp"))
    made = Keys(folder / "both", folder / "public")
    try:
        for home in (made.both, made.public):
            home.mkdir(mode=0o700)
        for user in (ANNA, BERT):
            made.gpg("--passphrase", "", "--quick-generate-key", user, "future-default", "default", "never")
        made.gpg("--import", data=made.gpg("--export"), home=made.public)
        yield made
    finally:
        for home in (made.both, made.public):
            subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
