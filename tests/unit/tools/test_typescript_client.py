"""The check of the TypeScript client: what it needs is pinned, and it has the version of the product."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tools import typescript_client
from tools.generate import ROOT
from tools.typescript_client import CLIENT, problems_of

PACKAGE: dict[str, Any] = json.loads((CLIENT / "package.json").read_text("utf-8"))
LOCK: dict[str, Any] = json.loads((CLIENT / "package-lock.json").read_text("utf-8"))
HPKE = "node_modules/hpke"


def test_what_is_committed_is_pinned() -> None:
    assert problems_of(PACKAGE, LOCK) == []


@pytest.mark.parametrize("version", ["^1.1.7", "~1.1.7", "1.1", "latest", ">=1", "*"])
def test_a_range_is_no_pin(version: str) -> None:
    changed = PACKAGE | {"dependencies": PACKAGE["dependencies"] | {"hpke": version}}
    assert problems_of(changed, LOCK) == ["hpke is not pinned to one version."]


def test_another_package_at_run_time_is_named() -> None:
    changed = PACKAGE | {"dependencies": PACKAGE["dependencies"] | {"left-pad": "1.3.0"}}
    (problem,) = problems_of(changed, LOCK)
    assert "something else at run time" in problem


def test_a_package_without_a_hash_and_one_with_a_registry_are_named() -> None:
    known = LOCK["packages"][HPKE]
    without = {name: value for name, value in known.items() if name != "integrity"}
    for one, said in ((without, "has no hash"), (known | {"resolved": "https://r.example"}, "names a registry")):
        (problem,) = problems_of(PACKAGE, LOCK | {"packages": LOCK["packages"] | {HPKE: one}})
        assert said in problem


def test_a_script_that_runs_at_installation_is_named() -> None:
    changed = PACKAGE | {"scripts": PACKAGE["scripts"] | {"postinstall": "node x.js"}}
    assert problems_of(changed, LOCK) == ["the client has the install script postinstall."]
    scripted = LOCK["packages"] | {HPKE: LOCK["packages"][HPKE] | {"hasInstallScript": True}}
    assert problems_of(PACKAGE, LOCK | {"packages": scripted}) == [f"{HPKE} runs a script when it is installed."]


def test_it_has_licence_and_version_of_the_product() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (PACKAGE["version"], PACKAGE["license"]) == (project["version"], "Apache-2.0")
    assert (CLIENT / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_without_node_it_does_not_say_that_it_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    assert typescript_client.main(["--check"]) == 0
    said = capsys.readouterr().out
    assert "Not compared with proto/: there is no Node here" in said
    assert "is what proto/ gives" not in said
    monkeypatch.setenv("CI", "true")
    monkeypatch.delenv("MONOSKOPE_ABSENT", raising=False)
    assert typescript_client.main(["--check"]) == 1
