"""What reactors of accounts let others do, in tests on real parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monoskope.settings import write_private
from monoskope.testing.cluster import editing


def allow(home: Path, *lines: str, rules: list[dict[str, Any]], **more: Any) -> None:
    """Let the keys in `lines` do what `rules` say, and nobody write without a signature. `more` is of `[signers]`."""
    write_private(home / "allowed_signers", "".join(f"{line}\n" for line in (*lines, "# end")).encode(), replace=True)
    with editing(home / "reactor.toml") as table:
        lists = {"file": "allowed_signers", "revoked": "revoked_keys"}
        table["signers"] = lists | {"unsigned": ["verify"], "may": rules} | more
        table["timings"] = {"linger": 0.0}
