"""The threat model lists each sentence that `monoctl` can print about an outcome, and what proves it."""

from __future__ import annotations

from pathlib import Path

from tests.unit.monoctl.sentences import every

PAGE = Path(__file__).resolve().parents[3] / "docs" / "security" / "threat-model.md"
HEADING = "## What `monoctl` says of an outcome, and what proves it"


def listed() -> list[tuple[str, str]]:
    """Sentence and proof of each row of the table."""
    _, _, after = PAGE.read_text(encoding="utf-8").partition(f"{HEADING}\n")
    rows = [line for line in after.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    cells = [row.removeprefix("| ").removesuffix(" |").split(" | ") for row in rows[1:]]
    assert all(len(row) == 2 and all(row) for row in cells)
    return [(sentence, proof) for sentence, proof in cells]


def test_every_sentence_about_an_outcome_is_listed_with_what_proves_it() -> None:
    missing = sorted(every() - {sentence for sentence, _ in listed()})
    assert not missing, f"say in {PAGE.name} what proves: {missing}"


def test_no_sentence_is_listed_that_is_not_said_and_none_twice() -> None:
    sentences = [sentence for sentence, _ in listed()]
    assert set(sentences) <= every()
    assert len(set(sentences)) == len(sentences)
