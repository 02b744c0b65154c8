"""`monoctl get events --watch` beside an m8 that is killed and started again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope.testing.parts import Part, free_port, listens, program
from tests.support.programs import m8


class Scene:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.server = f"127.0.0.1:{free_port()}"
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(home),
            "M8_DIR": str(home / "m8"),
            "MONOCTL_SERVER": self.server,
            "MONOCTL_CA_FILE": str(home / "m8" / "ca.crt"),
            "MONOCTL_TOKEN_FILE": str(home / "token"),
        }
        m8("init", "folder", "--listen", self.server, home=home, env=self.environment)
        options = ("--role", "administrator", "--subject", "root", "--out", "token")
        m8("token", "create", *options, home=home, env=self.environment)
        arguments = [program("m8"), "serve"]
        self.recorded = 1
        self.m8 = Part("m8", arguments, log=home / "m8.log", folder=home, environment=self.environment)

    def serve(self) -> None:
        self.m8.start()
        self.m8.wait_for(lambda: listens(self.server))

    def record(self) -> int:
        """Record an event, whether m8 runs or not, and return its position."""
        options = ("--role", "administrator", "--subject", "someone")
        m8("token", "create", *options, home=self.home, env=self.environment)
        self.recorded += 1
        return self.recorded


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    scene.serve()
    yield scene
    scene.m8.stop()


def test_a_watch_survives_m8_and_shows_each_position_once(scene: Scene) -> None:
    past = scene.record()
    command = [program("monoctl"), "get", "events", "--watch", "--tail", "1", "-o", "json"]
    watching = subprocess.Popen(
        command, env=scene.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watching.stdout is not None

    def shown() -> int:
        position: int = json.loads(watching.stdout.readline())["position"]  # type: ignore[union-attr]
        return position

    assert shown() == past
    new = scene.record()
    assert shown() == new
    scene.m8.kill()
    while_down = [scene.record(), scene.record()]
    scene.serve()
    assert [shown(), shown()] == while_down
    scene.m8.stop()
    scene.serve()
    last = scene.record()
    assert shown() == last == past + 4
    watching.terminate()
    _, notes = watching.communicate(timeout=300)
    assert "Connecting again; no event is missed." in notes
