"""The hunt for checks without a test removes each of them alone, and can tell the living from the dead."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools import mutants

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
