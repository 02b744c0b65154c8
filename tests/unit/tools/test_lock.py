"""The locked requirements: whole, hashed, from nowhere in particular, and what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[3]
LISTS = ("demo", "dev")
DEMO_EXTRAS = ("m8", "reactor", "vault", "age")


def _text(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def _pins(name: str) -> dict[str, Version]:
    found = re.findall(r"^([a-z0-9-]+)==(\S+)", _text(name), re.MULTILINE)
    return {package: Version(version) for package, version in found}


def _wanted(name: str) -> list[Requirement]:
    """What a list must satisfy: the package's own requirements, and extras and groups as `make lock` names them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    texts = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    texts += [text for extra, listed in extras.items() if name == "dev" or extra in DEMO_EXTRAS for text in listed]
    texts += project["dependency-groups"]["dev"] if name == "dev" else []
    lines = (ROOT / "requirements" / "demo.in").read_text(encoding="utf-8").splitlines()
    return [Requirement(text) for text in [*texts, *(line for line in lines if line and not line.startswith("#"))]]


@pytest.mark.parametrize("name", LISTS)
def test_every_requirement_is_pinned_within_its_bounds(name: str) -> None:
    pins = _pins(name)
    for wanted in _wanted(name):
        key = re.sub(r"[-_.]+", "-", wanted.name).lower()
        assert key in pins, f"run `make lock`: requirements/{name}.txt lacks {wanted}"
        assert pins[key] in wanted.specifier, f"run `make lock`: {key} {pins[key]} is not {wanted}"


@pytest.mark.parametrize("name", LISTS)
def test_every_pin_has_hashes(name: str) -> None:
    blocks = re.split(r"^(?=[a-z0-9])", _text(name), flags=re.MULTILINE)
    assert all("--hash=sha256:" in block for block in blocks if block.strip())


@pytest.mark.parametrize("name", LISTS)
def test_no_registry_or_machine_is_named(name: str) -> None:
    assert not re.search(r"://|--(extra-)?index-url|--find-links|(^|\s)/", _text(name), re.MULTILINE)


def test_the_demo_runs_on_what_is_tested() -> None:
    assert _pins("demo").items() <= _pins("dev").items()
