"""What is committed is compared with what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import reference


def test_missing_and_changed_pages_differ(tmp_path: Path) -> None:
    (tmp_path / "same.md").write_text("same", encoding="utf-8")
    (tmp_path / "changed.md").write_text("old", encoding="utf-8")
    fresh = {"same.md": "same", "changed.md": "new", "missing.md": "new"}
    assert reference.differing(fresh, tmp_path) == ["changed.md", "missing.md"]


def test_the_check_names_the_page_and_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, "REFERENCE", tmp_path)
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    (tmp_path / "api.md").write_text("edited by hand", encoding="utf-8")
    assert reference.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "docs/reference/api.md" in said
    assert "make reference" in said
