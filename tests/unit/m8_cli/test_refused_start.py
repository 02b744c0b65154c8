"""An m8 that cannot start says why, and nothing besides."""

from __future__ import annotations

import socket
from pathlib import Path

from monoskope.exit_codes import ExitCode
from monoskope.host_port import HostPort
from monoskope.m8.init import Plan, lay_out
from tests.support.m8_command import m8


def test_a_start_that_is_refused_late_says_its_error_alone(tmp_path: Path) -> None:
    folder = tmp_path / "m8"
    lay_out(Plan(folder=folder, listen=HostPort("127.0.0.1", 0)))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = folder / "m8.toml"
        listen = f'operations_listen = "127.0.0.1:{taken.getsockname()[1]}"\n'
        kept = [line for line in settings.read_text().splitlines() if not line.startswith("operations_listen")]
        settings.write_text(listen + "\n".join(kept) + "\n")
        ran = m8("serve", "--dir", str(folder), home=tmp_path, code=ExitCode.UNAVAILABLE)
    assert [line.partition(":")[0] for line in ran.stderr.splitlines()] == ["error", "fix"]
