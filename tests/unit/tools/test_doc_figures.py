"""Figures in the docs are those of where they come from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tools import doc_figures
from tools.generate import ROOT

NAMES = ("Makefile", "docs/performance.md", "docs/scale.json", "docs/operate/deploy.md", "CONTRIBUTING.md")


@pytest.fixture
def root(tmp_path: Path) -> Path:
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
        ("docs/performance.md", ": m8 5.90 ms,", ": m8 4.00 ms,", "A put takes 4 ms of it."),
        ("docs/scale.json", '"bytes_per_secret_sqlite": 5790', '"bytes_per_secret_sqlite": 9990', "10.0 kB a secret"),
        ("Makefile", "DEV_MB := ", "DEV_MB := 9", "MB the first time"),
        ("Makefile", "on one m8, about 12 minutes", "on one m8, about 13 minutes", "on one m8, about 13 minutes"),
    ],
)
def test_a_figure_that_is_no_longer_true_is_named(root: Path, file: str, before: str, after: str, said: str) -> None:
    assert list(doc_figures.stale(root)) == []
    change(root / file, before, after)
    found = list(doc_figures.stale(root))
    assert found
    assert any(said in one for one in found), found
