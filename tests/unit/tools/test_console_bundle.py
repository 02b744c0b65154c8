"""The checks of the console's bundle and of the TypeScript client: pinned, whole, and as their sources give them."""

from __future__ import annotations

import json
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tools import console_bundle, typescript_client
from tools.generate import ROOT
from tools.typescript_client import CLIENT, problems_of

GOOD = {
    "console.css": b":root { color: black }",
    "console.js": b'document.createElementNS("http://www.w3.org/2000/svg","svg")',
    "icon.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "index.html": b'<script type="module" src="/console.js"></script>',
    "licences.txt": b"It contains:\n\n---\n\npreact 11.0.0 (MIT)\n\nhttps://example.com",
}


def test_a_good_bundle_passes() -> None:
    assert console_bundle.problems_of(GOOD, ["preact"]) == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("console.js", b"\n//# sourceMappingURL=console.js.map", "source map"),
        ("console.js", b'fetch("https://example.com/x")', "names another host"),
        ("console.js", b'import("//example.com/x.js")', "names another host"),
        ("console.css", b"@import url(http://fonts.example.com/a.css)", "names another host"),
        ("index.html", b'<img src="http://127.0.0.1.example.com/">', "names another host"),
        ("console.js", random.Random(1).randbytes(200_000), "150,000 is the most"),
        ("licences.txt", b"nothing", "lacks preact"),
        ("console.js.map", b"{}", "is not part of the page"),
    ],
)
def test_what_must_not_be_in_it_is_named(name: str, content: bytes, said: str) -> None:
    (problem,) = console_bundle.problems_of({**GOOD, name: content}, ["preact"])
    assert said in problem


def test_loopback_is_no_other_host() -> None:
    files = {**GOOD, "console.js": b'fetch("http://127.0.0.1:8080/api/begin")'}
    assert console_bundle.problems_of(files, []) == []


def test_a_missing_file_is_named() -> None:
    files = {name: content for name, content in GOOD.items() if name != "icon.svg"}
    assert console_bundle.problems_of(files, []) == ["icon.svg is missing."]


def test_one_changed_byte_is_a_difference() -> None:
    assert console_bundle.differences(GOOD, GOOD) == []
    changed = {**GOOD, "console.js": GOOD["console.js"] + b" "}
    assert console_bundle.differences(GOOD, changed) == ["console.js"]
    assert console_bundle.differences(GOOD, {**GOOD, "more.js": b""}) == ["more.js"]


@pytest.fixture
def committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good committed bundle, on a machine without Node."""
    packages = console_bundle.bundled_packages()
    licences = "".join(f"\n{name} 1.0.0 (MIT)\n" for name in packages).encode()
    for name, content in {**GOOD, "licences.txt": licences}.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(console_bundle, "STATIC", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("committed")
def test_without_node_the_rest_is_checked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert console_bundle.main(["--check"]) == 0
    said = capsys.readouterr().out
    assert "Not compared with console/: there is no Node here" in said
    assert "is what console/ gives" not in said


@pytest.mark.usefixtures("committed")
def test_ci_does_not_do_without_node(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.delenv("MONOSKOPE_ABSENT", raising=False)
    assert console_bundle.main(["--check"]) == 1
    assert "Not compared with console/" in capsys.readouterr().out
    monkeypatch.setenv("MONOSKOPE_ABSENT", "litetlog nodejs")  # where the system has no Node that is new enough
    assert console_bundle.main(["--check"]) == 0


@pytest.mark.usefixtures("committed")
def test_building_without_node_says_what_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    assert console_bundle.main([]) == 1
    assert "apt install nodejs npm" in capsys.readouterr().out


def test_the_lock_of_the_page_names_no_registry() -> None:
    lock = (console_bundle.CONSOLE / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert "registry" not in lock


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
