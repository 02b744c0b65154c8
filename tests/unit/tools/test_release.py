"""`make release`: what is published is the same twice, is locked, and says what it is made of."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from monoskope.testing.parts import needed
from tools.release import advisories, built, materials, pinned, provenance

ROOT = built.ROOT


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_every_dependency_of_this_project_is_pinned_with_hashes() -> None:
    assert len(pinned.python_lists()) >= 7
    assert len(pinned.npm_locks()) >= 2
    assert pinned.unpinned() == []


HASH = f"    --hash=sha256:{'0' * 64}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"good==1.0 \\\n{HASH}", []),
        (f"good[extra]==1.0 ; python_version < '3.12' \\\n{HASH}    # via other\n", []),
        (f"loose>=1.0 \\\n{HASH}", ["requirements/x.txt: loose>=1.0 \\ is not pinned to one version."]),
        ("bare==1.0\n", ["requirements/x.txt: bare has no hash, or more beside hashes."]),
        (
            "git @ https://example.org/git.zip\n",
            [
                "requirements/x.txt: git @ https://example.org/git.zip is not pinned to one version.",
                "requirements/x.txt: git @ https://example.org/git.zip has no hash, or more beside hashes.",
            ],
        ),
        ("short==1.0 \\\n    --hash=md5:00\n", ["requirements/x.txt: short has no hash, or more beside hashes."]),
    ],
    ids=["pinned", "extra and marker", "a range", "no hash", "an address", "another hash"],
)
def test_a_python_dependency_that_is_not_pinned_is_named(tmp_path: Path, text: str, said: list[str]) -> None:
    _write(tmp_path / "requirements" / "x.txt", text)
    assert pinned.unpinned(tmp_path) == said


DEPENDENCIES = {"a": "^1.0.0", "b": "1.0.0", "c": "npm:@c/d@1.0.0-beta.2", "d": "npm:@c/d@^1.0.0"}


def test_an_npm_dependency_that_is_not_pinned_is_named(tmp_path: Path) -> None:
    lock = {"packages": {"": {}, "node_modules/a": {"version": "1.0.0"}, "node_modules/b": {"integrity": "sha1-AA=="}}}
    _write(tmp_path / "web" / "package-lock.json", json.dumps(lock))
    _write(tmp_path / "web" / "package.json", json.dumps({"dependencies": DEPENDENCIES}))
    assert pinned.unpinned(tmp_path) == [
        "web/package-lock.json: node_modules/a has no SHA-512.",
        "web/package-lock.json: node_modules/b has no SHA-512.",
        "web/package.json: a is ^1.0.0, not one version.",
        "web/package.json: d is npm:@c/d@^1.0.0, not one version.",
    ]


def _repository(folder: Path, version: str = "1.0") -> Path:
    """Make a repository with a package that is built as ours is."""
    _write(
        folder / "pyproject.toml",
        f'[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        f'[project]\nname = "small"\nversion = "{version}"\n'
        '[tool.hatch.build.targets.wheel.hooks.custom]\n[tool.hatch.build.targets.wheel]\npackages = ["src/small"]\n',
    )
    _write(folder / "src" / "small" / "__init__.py", "")
    _write(
        folder / "hatch_build.py",
        "from hatchling.builders.hooks.plugin.interface import BuildHookInterface\n\n\n"
        "class Hook(BuildHookInterface):\n    pass\n",
    )
    return _committed(folder)


def _committed(folder: Path) -> Path:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "-q"], cwd=folder, check=True)
    subprocess.run([*git, "add", "-A"], cwd=folder, check=True)
    subprocess.run([*git, "commit", "-q", "-m", "All"], cwd=folder, check=True)
    return folder


def test_wheel_and_sdist_are_the_same_twice(tmp_path: Path) -> None:
    files = built.build_twice(tmp_path / "out", _repository(tmp_path / "repository"), with_npm=False)
    assert [path.suffix for path in files] == [".whl", ".gz"]


@pytest.mark.soak  # `make release` ends if they differ
def test_wheel_and_sdist_of_this_commit_are_the_same_twice(tmp_path: Path) -> None:
    files = built.build_twice(tmp_path / "out", with_npm=False)
    assert [path.suffix for path in files] == [".whl", ".gz"]


@pytest.mark.soak  # `make release` ends if they differ
def test_the_npm_package_of_this_commit_is_the_same_twice(tmp_path: Path) -> None:
    needed("npm", "npm")
    (package,) = built.build_twice(tmp_path / "out", with_python=False)
    with tarfile.open(package) as packed:
        modes = {member.mode for member in packed.getmembers()}
    assert package.name.startswith("monoskope-client-")
    assert modes == {0o644}


def test_a_build_that_depends_on_its_surroundings_is_refused(tmp_path: Path) -> None:
    repository = _repository(tmp_path / "repository")
    hook = repository / "hatch_build.py"
    hook.write_text(
        "import os\n"
        "from hatchling.builders.hooks.plugin.interface import BuildHookInterface\n\n\n"
        "class Hook(BuildHookInterface):\n"
        "    def initialize(self, version, build_data):\n"
        "        open('src/small/where.txt', 'w').write(os.environ['TZ'])\n"
        "        build_data['artifacts'] = ['src/small/where.txt']\n",
        encoding="utf-8",
    )
    _committed(repository)
    with pytest.raises(built.NotReproducibleError, match=r"small-1\.0-py2\.py3-none-any\.whl"):
        built.build_twice(tmp_path / "out", repository, with_npm=False)
    assert not (tmp_path / "out").exists()


def test_a_file_that_one_of_two_builds_lacks_is_named(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    _write(first / "a.whl", "a")
    second.mkdir()
    with pytest.raises(built.NotReproducibleError, match=r"a\.whl"):
        built.check_same(first, second)


def test_the_bill_of_materials_names_what_an_installation_has() -> None:
    commit, seconds = built.commit()
    first, second = (materials.bill_of_materials(ROOT, commit=commit, seconds=seconds) for _ in range(2))
    assert first == second
    bill = json.loads(first)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["purl"].startswith("pkg:pypi/monoskope@")
    purls = {component["purl"] for component in bill["components"]}
    names = {purl.rpartition("@")[0] for purl in purls}
    assert {"pkg:pypi/cryptography", "pkg:pypi/httptools", "pkg:pypi/asyncpg", "pkg:npm/preact"} <= names
    assert not {"pkg:pypi/pytest", "pkg:pypi/moto", "pkg:npm/typescript"} & names
    assert all(component["hashes"] for component in bill["components"])


def test_statements_are_about_the_bytes_of_each_file(tmp_path: Path) -> None:
    wheel = _write(tmp_path / "monoskope-0.1.0-py3-none-any.whl", "bytes")
    written = provenance.write_statements([wheel], ROOT, commit="c" * 40, seconds="1", version="0.1.0")
    publish, origin = (json.loads(path.read_text(encoding="utf-8")) for path in written)
    digest = provenance.sha256(wheel)
    for one in (publish, origin):
        assert one["_type"] == "https://in-toto.io/Statement/v1"
        assert one["subject"] == [{"name": wheel.name, "digest": {"sha256": digest}}]
    assert publish["predicateType"] == "https://docs.pypi.org/attestations/publish/v1"
    assert publish["predicate"] is None
    assert origin["predicateType"] == "https://slsa.dev/provenance/v1"
    locks = {one.get("name") for one in origin["predicate"]["buildDefinition"]["resolvedDependencies"]}
    assert {"requirements/dev.txt", "console/package-lock.json"} <= locks


def test_a_source_of_advisories_that_does_not_answer_is_named() -> None:
    assert advisories.of_pip_audit("l", "", "x\nno route to host\n").unanswered == "no route to host"
    skipped = json.dumps({"dependencies": [{"name": "a", "skip_reason": "404"}, {"name": "b", "version": "1"}]})
    assert "1 of 2 packages, first a: 404" in advisories.of_pip_audit("l", skipped, "").unanswered
    refused = json.dumps({"message": "405 Method Not Allowed"})
    assert advisories.of_npm_audit("l", refused, "").unanswered == "405 Method Not Allowed"


def test_a_known_advisory_is_told() -> None:
    found = json.dumps({"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1"}]}]})
    assert advisories.of_pip_audit("l", found, "") == advisories.Looked("l", ("a 1: PYSEC-1",))
    audited = json.dumps({"vulnerabilities": {"b": {"severity": "high"}}})
    assert advisories.of_npm_audit("l", audited, "") == advisories.Looked("l", ("b: high",))


def test_what_is_not_committed_is_seen(tmp_path: Path) -> None:
    repository = _repository(tmp_path / "repository")
    assert not built.changed(repository)
    _write(repository / "left", "")
    assert "left" in built.changed(repository)
    shutil.rmtree(repository)


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
