"""`ssh-keygen -Y verify`, which must accept whatever we accept."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from monoskope.protocol.sshsig import armoured


def accepts(folder: Path, blob: bytes, signers: bytes, *, principal: str, at: int, message: bytes) -> bool:
    """Whether ssh-keygen accepts an SSHSIG under a list of signers, at a time in seconds since 1970."""
    (folder / "signers").write_bytes(signers)
    (folder / "sig").write_text(armoured(blob))
    moment = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(at))
    words = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", principal, "-n", "request@monoskope", "-s", "sig"]
    words.append(f"-Overify-time={moment}")
    return subprocess.run(words, cwd=folder, input=message, capture_output=True, check=False).returncode == 0
