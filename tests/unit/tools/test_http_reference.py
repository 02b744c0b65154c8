"""The page of the HTTP door has the table of errors and the example as the code has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.errors import Code
from tools import http_reference
from tools.reference import ROOT


def laid_out(folder: Path, page: str) -> Path:
    for name, text in ((http_reference.PAGE, page), (http_reference.EXAMPLE, "print(1)\n")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_the_parts_are_filled_in_and_the_rest_stays(tmp_path: Path) -> None:
    page = "before\n<!-- errors -->\nold\n<!-- /errors -->\nbetween\n<!-- put.py -->\n<!-- /put.py -->\nafter\n"

    rendered = http_reference.render(laid_out(tmp_path, page))

    assert "old" not in rendered
    assert "```python\nprint(1)\n```" in rendered
    assert rendered.startswith("before\n")
    assert rendered.endswith("after\n")
    assert http_reference.render(laid_out(tmp_path, rendered)) == rendered


def test_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 places for errors"):
        http_reference.render(laid_out(tmp_path, "nothing\n"))


def test_the_page_shows_the_example_as_it_is() -> None:
    page = (ROOT / http_reference.PAGE).read_text(encoding="utf-8")
    assert (ROOT / http_reference.EXAMPLE).read_text(encoding="utf-8") in page


def test_every_code_of_ours_has_a_status() -> None:
    table = http_reference.table()
    for code in Code:
        assert f"| `{code.value}` |" in table
    assert "| 429 | `resource_exhausted` | `RATE_LIMITED` |" in table
    assert "| 499 | `canceled` | `NOT_TRIED` |" in table
    assert {400, 401, 403, 404, 409, 429, 499, 500, 503, 504} == http_reference.statuses().keys()
