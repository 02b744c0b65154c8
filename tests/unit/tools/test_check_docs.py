"""The check of the documentation finds what is not true, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import check_docs

MODEL = "docs/security/threat-model.md"

THREATS = """# Threat model

| attacker | gets | test |
|---|---|---|
| hostile m8 | nothing | `tests/unit/test_a.py::test_one` |
| thief | nothing | `tests/unit/test_a.py::TestSuite::test_two` |
"""

CONCEPTS = """# Concepts

m8 has reactors.

## Glossary

| word | meaning | we do not say |
|---|---|---|
| **m8** | The control plane. | hub |
| **reactor**, **replica** | What serves a store, one process. | worker, side car |
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository in which everything is true."""
    files = {
        "Makefile": "demo: x\n\ttrue\n",
        "README.md": f"# Title\n\nSee [the threat model]({MODEL}#threat-model). Run `make demo KEEP=x`.\n",
        MODEL: THREATS,
        "docs/breakage.md": THREATS,
        "docs/concepts.md": CONCEPTS,
        "docs/adr/README.md": "# Decisions\n\n- [One](0001-one.md)\n",
        "docs/adr/0001-one.md": "# One\n\nA replica is what the hub calls a worker.\n",
        "tests/unit/test_a.py": "def test_one(): ...\nclass TestSuite(Base): ...\n",
        "src/monoskope/testing/suite.py": "class Base:\n    async def test_two(self): ...\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_true_repository_has_no_problems(root: Path) -> None:
    assert check_docs.problems(root) == []


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("README.md", "[gone](docs/gone.md)", "README.md: the link docs/gone.md leads nowhere."),
        ("README.md", f"[x]({MODEL}#gone)", f"{MODEL}#gone: that page has no such heading."),
        ("README.md", "Run `make demolish`.", "there is no `make demolish`"),
        ("README.md", "```sh\nmake demolish\n```", "there is no `make demolish`"),
        ("README.md", "Replicas are workers.", "README.md: say 'reactor or replica' instead of 'worker'"),
        ("README.md", "A replica is a side car.", "README.md: say 'reactor or replica' instead of 'side car'"),
        ("docs/adr/0001-one.md", "# One", "docs/concepts.md: no page uses 'replica'."),
        ("docs/adr/0002-two.md", "# Two", "docs/adr/README.md does not list 0002-two.md"),
        (MODEL, THREATS.replace("test_one", "test_none"), "test_none does not exist"),
        (MODEL, THREATS.replace("test_two", "test_none"), "test_none does not exist"),
        (MODEL, THREATS.replace("test_a.py", "test_b.py"), "test_b.py::test_one does not exist"),
        (MODEL, THREATS + "| spy | all | - |\n", f"{MODEL}:7: this row names no test."),
        (
            MODEL,
            THREATS + "\n| sentence | proof |\n|---|---|\n| UPLOADED | - |\n\n| a |\n|---|\n| b |\n",
            f"{MODEL}:14: this row names no test.",
        ),
        (MODEL, "# Threat model\n", f"{MODEL} has no table."),
        ("docs/breakage.md", THREATS.replace("test_one", "test_none"), "docs/breakage.md:5: the test"),
        ("docs/security/asvs.md", THREATS.replace("test_one", "test_none"), "docs/security/asvs.md:5: the test"),
    ],
)
def test_what_is_not_true_is_named(root: Path, name: str, text: str, complaint: str) -> None:
    (root / name).write_text(text + "\n", encoding="utf-8")
    found = check_docs.problems(root)
    assert any(complaint in problem for problem in found), found


def test_a_missing_threat_model_is_a_problem(root: Path) -> None:
    (root / MODEL).unlink()
    (root / "README.md").write_text("# Title\n", encoding="utf-8")
    assert check_docs.problems(root) == [f"{MODEL} is missing."]


@pytest.mark.parametrize(
    "text",
    [
        "Do make sure that `x = make_it()` is right.",
        "```python\n[a](b.md)\n```",
        "A `[a](b.md)` in code.",
        "[elsewhere](https://example.org/gone.md) and [mail](mailto:a@example.org)",
        "## A heading: with `code`, twice\n\n[up](#a-heading-with-code-twice)",
        "# Same\n# Same\n\n[second](#same-1)",
    ],
)
def test_what_only_looks_wrong_is_let_be(root: Path, text: str) -> None:
    (root / "README.md").write_text(text + "\n", encoding="utf-8")
    assert check_docs.problems(root) == []


@pytest.mark.parametrize(
    "code",
    [
        'raise NotFoundError("there is no such hub.", fix="Look.")',
        'raise errors.NotFoundError("not there.", fix=f"Ask the {name} hub.")',
        'Meaning(NotFoundError, "gone.", "Ask a hub.")',
        'option("--at", help="Which hub.")',
        '@click.command()\ndef at(name: str) -> None:\n    """Ask a hub."""',
    ],
)
def test_a_refused_word_that_users_read_in_the_code_is_named(root: Path, code: str) -> None:
    (root / "src/monoskope/said.py").write_text(f"{code}\n", encoding="utf-8")
    (complaint,) = check_docs.problems(root)
    assert "src/monoskope/said.py" in complaint
    assert "say 'm8' instead of 'hub'." in complaint


def test_a_refused_word_that_only_programs_read_is_allowed(root: Path) -> None:
    (root / "src/monoskope/unsaid.py").write_text('"""A hub."""\nlook("hub")  # a hub\n', encoding="utf-8")
    assert check_docs.problems(root) == []
