"""The git repository that a password store may be: each change is one commit, as pass and gopass make them.

No hook of the repository runs, and nothing is signed or pushed: data must not run programs. All calls block: run them
in a thread.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_ALWAYS = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "commit.gpgSign=false",
    "-c",
    "user.name=Monoskope",
    "-c",
    "user.email=monoskope@localhost",
)


class Repository:
    """The repository whose work tree is `root`.

    Args:
        root: The password store.
        timeout_s: How long one call of git may take.
    """

    def __init__(self, root: Path, *, timeout_s: float) -> None:
        self._root = root
        self._timeout_s = timeout_s

    def works(self) -> bool:
        """Whether git is installed and `root` is the top of a repository that it will use."""
        done = self._git("rev-parse", "--show-cdup")
        return done is not None and done.strip() == b""

    def commit(self, file: str, message: str) -> None:
        """Commit what became of `file`, a path below the root, and nothing else; a failure changes no file."""
        self._git("add", "--all", "--", file)
        self._git("commit", "--quiet", f"--message={message}", "--only", "--", file)

    def holds(self, file: str) -> bool:
        """Whether the last commit has `file` exactly as it is."""
        tracked = self._git("ls-files", "--error-unmatch", "--", file) is not None
        return tracked and self._git("diff", "--quiet", "HEAD", "--", file) is not None

    def _git(self, *arguments: str) -> bytes | None:
        """Return what git wrote, or None if it failed."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and no argument can be taken for an option
                ["git", *_ALWAYS, *arguments],  # noqa: S607 - the git that the administrator has in PATH
                cwd=self._root,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                timeout=self._timeout_s,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout
