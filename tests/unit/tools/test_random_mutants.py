"""The hunt at random places changes one place at a time, finds it again, and runs the nearest tests first."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools import mutants, random_mutants

SOURCE = '''
def count(items, most):
    """Count."""
    if not items or len(items) > most:
        raise ValueError("too many")
    items.seen = True
    return len(items) + 1
'''


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of one file."""
    monkeypatch.setattr(random_mutants, "PACKAGE", tmp_path)
    path = tmp_path / "sample.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def test_every_kind_of_place_is_changed_alone(sample: Path) -> None:
    whole = ast.unparse(ast.parse(SOURCE))
    changed = {
        site.kind + " " + site.text: (mutant.source if (mutant := random_mutants.mutant_of(site)) else "")
        for site in random_mutants.draw(9, seed=1)
    }
    test = "not items or len(items) > most"
    assert changed == {
        f"negate {test}": whole.replace(test, f"not ({test})"),
        f"logic {test}": whole.replace(" or ", " and "),
        "compare len(items) > most": whole.replace(">", ">="),
        "drop raise ValueError('too many')": whole.replace("raise ValueError('too many')", "pass"),
        "drop items.seen = True": whole.replace("items.seen = True", "pass"),
        "constant 'too many'": whole.replace("too many", "too manyX"),
        "constant True": whole.replace("True", "False"),
        "constant 1": whole.replace("+ 1", "+ 2"),
        "return return len(items) + 1": whole.replace("return len(items) + 1", "return None"),
    }


def test_the_same_seed_chooses_the_same_places_and_a_place_that_moved_is_found(sample: Path) -> None:
    sites = random_mutants.draw(4, seed=25)
    assert sites == random_mutants.draw(4, seed=25)
    assert [random_mutants.Site.parse(str(site) + " ") for site in sites] == sites
    before = random_mutants.mutant_of(sites[0])
    sample.write_text("\n\n" + SOURCE, encoding="utf-8")
    after = random_mutants.mutant_of(sites[0])
    assert before is not None
    assert after is not None
    assert (after.line, after.source) == (before.line + 2, before.source)
    sample.write_text("", encoding="utf-8")
    assert random_mutants.mutant_of(sites[0]) is None


def test_the_nearest_tests_run_first() -> None:
    assert random_mutants.tests_near("client/walk/pace.py", 40)[0] == "tests/unit/client/test_pace.py"
    near = random_mutants.tests_near("monoctl/commands/key_rotation.py", 32)  # nothing imports it: its words are found
    assert "tests/unit/monoctl/test_commands.py" in near


def test_a_test_that_fails_without_the_change_decides_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = random_mutants.Site("lazy.py", 1, "constant", "1")
    harmless = mutants.Mutant("lazy.py", 1, "1", (mutants.PACKAGE / "lazy.py").read_text(encoding="utf-8"))
    monkeypatch.setattr(random_mutants, "mutant_of", lambda _: harmless)
    path = tmp_path / "test_broken.py"
    monkeypatch.setattr(random_mutants, "tests_near", lambda *_: [str(path)])
    space = mutants.Workspace(tmp_path_factory.mktemp("copy"))
    verdicts = []
    for content in ("def test_it():\n    assert False\n", "def test_it():\n    pass\n"):
        path.write_text(content, encoding="utf-8")
        verdicts.append(random_mutants.judge(site, space).partition(":")[0])
    assert verdicts == ["undecided", "survived"]


def test_the_list_has_two_hundred_places_each_once() -> None:
    head, *rows = random_mutants.LIST.read_text(encoding="utf-8").splitlines()
    sites = [random_mutants.Site.parse(row + " ") for row in rows]
    assert "seed 25" in head
    assert len({(site.file, site.line, site.kind, site.text) for site in sites}) == 200
    assert {site.kind for site in sites} == set(random_mutants.KINDS)
    assert {site.verdict.partition(":")[0] for site in sites} <= {"", "killed", "equivalent", "survived"}
