"""axe, which finds what people with disabilities cannot use: its script, and the rules that we hold."""

from __future__ import annotations

from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parents[3] / "tests" / "node" / "node_modules" / "axe-core" / "axe.min.js"

# What stands over a view is looked at alone: the view was, before.
# Each button of an action says below its name what it does. One rule of axe, an experiment, takes both for the name.
RULES = """async () => (await axe.run([...document.querySelectorAll('dialog[open]')].at(-1) ?? document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations']}))
  .violations
  .map(({id, nodes}) => [id, nodes.map(node => node.target.join(' '))])
  .map(([id, at]) => [id, at.filter(one => id !== 'label-content-name-mismatch' || !one.startsWith('.action-'))])
  .filter(([, at]) => at.length > 0)
  .map(([id, at]) => `${id}: ${at.join(', ')}`)"""


def axe_script() -> str:
    if not _SCRIPT.exists():
        pytest.skip("the packages of tests/node are not installed: (cd tests/node && npm ci)")
    return _SCRIPT.read_text(encoding="utf-8")
