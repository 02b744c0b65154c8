"""Pages, figures and rows that are no longer true are found."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tools import check_docs, cli_reference, doc_commands, doc_figures, docs_hooks
from tools.generate import ROOT

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


PAGE = Path(__file__).resolve().parents[3] / "docs" / "security" / "asvs.md"
ROWS = [
    line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| V")
]
SECTIONS = dict(enumerate((5, 4, 7, 4, 4, 8, 6, 4, 2, 7, 7, 3, 4, 3, 4, 5, 3), start=1))
"""How many sections each of the 17 chapters of version 5.0 has."""


def test_every_section_of_every_chapter_has_one_row() -> None:
    named = [re.match(r"V(\d+)\.(\d+) ", row[0]) for row in ROWS]
    assert all(named)
    found = [(int(match[1]), int(match[2])) for match in named if match]
    assert Counter(chapter for chapter, _ in found) == SECTIONS
    assert found == [(chapter, number + 1) for chapter, count in SECTIONS.items() for number in range(count)]


@pytest.mark.parametrize("row", ROWS, ids=[row[0].split(" ")[0] for row in ROWS])
def test_what_is_not_reached_is_named(row: list[str]) -> None:
    _, level, not_applying, short, test = row
    assert re.match(r"(below )?L[123]\b|none applies$", level)
    if level == "none applies":
        assert not_applying != "-"
    if level.startswith("below"):
        assert re.search(r"\d+\.\d+\.\d+:|\d+\.\d+\.\d+, ", short)
    assert test == "-" or "::test_" in test


PROGRAMS = {name: cli_reference.load(target) for name, target in cli_reference.PROGRAMS.items()}


def faults(page: str) -> list[str]:
    return [complaint.why for complaint in doc_commands.complaints(doc_commands.in_page(page), PROGRAMS)]


@pytest.mark.parametrize(
    "line",
    [
        "monoctl put secret app/db --from-file 'password=a --b' # --none",
        "printf x | monoctl put secret app/db --from-file k=-",
        "MONOCTL_SERVER=a:1 .venv/bin/monoctl get secrets -o json && m8 serve --dir there",
        "monoctl put secret app/db \\\n  --overwrite",
        "m8 reactor init box --store box --type age --server a:1 --ca-file ca.crt",
        "m8 stores check box --verbose",
        "m8 events --dir there verify",
        "monoctl get … --never-looked-at",
        "bao kv put --anything",
    ],
)
def test_what_exists_is_fine(line: str) -> None:
    assert faults(f"```sh\n{line}\n```\n") == []
    assert faults(f"Say `{line}`.") == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("monoctl put secrets app/db", "'monoctl put' has no command 'secrets'"),
        ("monoctl put secret a/b --owerwrite", "'monoctl put secret' has no option '--owerwrite'"),
        ("cat f | monoctl putt secret", "'monoctl' has no command 'putt'"),
        ("m8 reactor init box --shop box", "'m8 reactor init' has no option '--shop'"),
        ("m8 stores check box --loud", "'m8 stores check' has no option '--loud'"),
    ],
)
def test_what_does_not_exist_is_named(line: str, why: str) -> None:
    assert faults(f"```sh\n$ {line}\n```\n") == [why]
    assert faults(f"Say `{line}`.") == [why]


def test_what_a_page_shows_as_output_is_no_command() -> None:
    assert faults("```text\nmonoctl never this\n```\n") == []


NAMES = ("Makefile", "docs/performance.md", "docs/scale.json", "docs/operate/deploy.md", "CONTRIBUTING.md")


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    """Some pages, and where their figures come from."""
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def change(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")


def test_every_page_says_the_figures_of_now() -> None:
    assert list(doc_figures.stale(ROOT)) == []


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("docs/operate/deploy.md", "100 requests a second", "50 requests a second", "take 100 requests a second"),
        ("docs/performance.md", "from 100 to 1,000", "from 50 to 1,000", "from 100 to 1,000"),
        ("docs/performance.md", ": m8 ", ": m8 9", " ms of it."),
        ("docs/scale.json", '"bytes_per_secret_sqlite": ', '"bytes_per_secret_sqlite": 9', " kB a secret"),
        ("Makefile", "DEV_MB := ", "DEV_MB := 9", "MB the first time"),
        ("Makefile", "on one m8, about 12 minutes", "on one m8, about 13 minutes", "on one m8, about 13 minutes"),
    ],
)
def test_a_figure_that_is_no_longer_true_is_named(figures: Path, file: str, before: str, after: str, said: str) -> None:
    assert list(doc_figures.stale(figures)) == []
    change(figures / file, before, after)
    found = list(doc_figures.stale(figures))
    assert found
    assert any(said in one for one in found), found


CONFIG: Any = SimpleNamespace(repo_url="https://forge.example/monoskope/")


@pytest.mark.parametrize(
    ("page", "written", "shown"),
    [
        ("a.md", "[x](../README.md)", "[x](https://forge.example/monoskope/blob/main/README.md)"),
        ("stores/a.md", "[x](../../tests/a.py)", "[x](https://forge.example/monoskope/blob/main/tests/a.py)"),
        ("a.md", "[x](../README.md#stores)", "[x](https://forge.example/monoskope/blob/main/README.md#stores)"),
        ("stores/a.md", "[x](../b.md#c)", "[x](../b.md#c)"),
        ("a.md", "[x](b.md) [y](https://z.example/../q)", "[x](b.md) [y](https://z.example/../q)"),
    ],
)
def test_links_lead_to_what_there_is(page: str, written: str, shown: str) -> None:
    at: Any = SimpleNamespace(file=SimpleNamespace(src_uri=page))
    assert docs_hooks.on_page_markdown(written, page=at, config=CONFIG, files=None) == shown
