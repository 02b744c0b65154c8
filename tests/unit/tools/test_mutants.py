"""The hunts for checks without a test, in all checks and at random places, tell the living from the dead."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools import mutants, random_mutants

SOURCE = """
def parse(text, size):
    check_name(text)
    if not 1 <= size <= 9:
        raise ValueError
    if text is None or size is None:
        raise TypeError
    elif text:
        raise KeyError
    if size == 3:
        size = 4
    try:
        key.verify(text)
    except ValueError:
        raise KeyError from None
    return size
"""


def test_each_check_is_removed_alone() -> None:
    found = mutants.mutants_of("sample.py", SOURCE)
    assert [(mutant.line, mutant.check) for mutant in found] == [
        (3, "check_name(text)"),
        (4, "not 1 <= size <= 9"),
        (4, "1 <= size"),
        (4, "size <= 9"),
        (6, "text is None or size is None"),
        (6, "text is None"),
        (6, "size is None"),
        (8, "text"),
        (13, "key.verify(text)"),
    ]


def test_a_mutant_lacks_its_check_and_nothing_else() -> None:
    by_check = {mutant.check: mutant.source for mutant in mutants.mutants_of("sample.py", SOURCE)}
    whole = ast.unparse(ast.parse(SOURCE))
    assert by_check["check_name(text)"] == whole.replace("check_name(text)", "pass")
    assert by_check["1 <= size"] == whole.replace("not 1 <= size <= 9", "not size <= 9")
    assert by_check["size <= 9"] == whole.replace("not 1 <= size <= 9", "not 1 <= size")
    assert by_check["text is None"] == whole.replace("text is None or size is None", "size is None")
    assert "elif" not in by_check["text is None or size is None"]
    assert "if text:\n        raise KeyError" in by_check["text is None or size is None"]
    assert by_check["key.verify(text)"] == whole.replace("key.verify(text)", "pass")


def test_where_conditions_are_the_rules_each_operand_is_removed_alone() -> None:
    source = "def young(a, b, c):\n    return a and (b or not c)\n"
    found = mutants.mutants_of(mutants.RULES[0], source)
    assert [mutant.source.splitlines()[1].strip() for mutant in found] == [
        "return (b or not c)",
        "return a",
        "return a and (not c)",
        "return a and (b)",
    ]
    assert mutants.mutants_of("sample.py", source) == []


def test_each_listed_file_and_its_tests_exist() -> None:
    assert [file for file in mutants.FILES if not (mutants.PACKAGE / file).is_file()] == []
    tests = {mutants.ROOT / test for file in mutants.FILES for test in mutants.tests_for(file)}
    assert [test for test in tests if not test.is_file() and not any(test.rglob("test_*.py"))] == []


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> mutants.Workspace:
    return mutants.Workspace(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A test that notices a key which is not checked, and that the copy is what it imports."""
    path = tmp_path_factory.mktemp("tests") / "test_probe.py"
    path.write_text(
        "import pytest\nfrom monoskope.errors import UsageError\nfrom monoskope.protocol import payload\n"
        "def test_keys_are_checked():\n    with pytest.raises(UsageError):\n        payload.check_key('')\n",
        encoding="utf-8",
    )
    return path


def _mutant(check: str) -> mutants.Mutant:
    return next(mutant for mutant in mutants.all_mutants(["payload"]) if mutant.check.startswith(check))


@pytest.mark.parametrize(
    ("check", "killer"),
    [
        ("_KEY.fullmatch(key) is None or", "test_probe.py::test_keys_are_checked"),
        pytest.param("key.startswith('..')", None, marks=pytest.mark.soak),
    ],
)
def test_a_mutant_dies_by_the_test_that_notices_or_survives(
    workspace: mutants.Workspace, probe: Path, monkeypatch: pytest.MonkeyPatch, check: str, killer: str | None
) -> None:
    monkeypatch.setattr(mutants, "tests_for", lambda _: [str(probe)])
    verdict = workspace.try_mutant(_mutant(check), 60)
    assert (verdict.killer or "").endswith(killer or "")
    assert (verdict.killer is None) == (killer is None)
    assert workspace.run([str(probe)], 60) is None


def test_a_mutant_that_never_ends_is_dead(workspace: mutants.Workspace, tmp_path: Path) -> None:
    endless = tmp_path / "test_endless.py"
    endless.write_text("def test_endless():\n    while True: pass\n", encoding="utf-8")
    assert workspace.run([str(endless)], 2) == "(did not end in time)"


def test_a_run_without_tests_is_no_verdict(workspace: mutants.Workspace, tmp_path: Path) -> None:
    empty = tmp_path / "test_empty.py"
    empty.write_text("", encoding="utf-8")
    with pytest.raises(RuntimeError, match="pytest ended with 5"):
        workspace.run([str(empty)], 60)


PLACES = '''
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
    path.write_text(PLACES, encoding="utf-8")
    return path


def test_every_kind_of_place_is_changed_alone(sample: Path) -> None:
    whole = ast.unparse(ast.parse(PLACES))
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
    sample.write_text("\n\n" + PLACES, encoding="utf-8")
    after = random_mutants.mutant_of(sites[0])
    assert before is not None
    assert after is not None
    assert (after.line, after.source) == (before.line + 2, before.source)
    sample.write_text("", encoding="utf-8")
    assert random_mutants.mutant_of(sites[0]) is None


def test_the_nearest_tests_run_first() -> None:
    assert random_mutants.tests_near("client/walk/pace.py", 40)[0] == "tests/unit/client/test_bulk.py"
    near = random_mutants.tests_near("monoctl/commands/stores.py", 32)  # nothing imports it: its words are found
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
