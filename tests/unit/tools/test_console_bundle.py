"""The check of the console's bundle: it must be what its source gives, small, and ask nobody else for anything."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tools import console_bundle

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
def test_without_node_the_rest_is_checked_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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
