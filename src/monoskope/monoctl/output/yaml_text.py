"""Documents as YAML that holds no character that is not shown."""

from __future__ import annotations

import yaml

from monoskope.escape import escape, is_shown


class _Dumper(yaml.SafeDumper):
    """Quotes every text that is not shown, so that its characters can be escaped."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_shown(text) else '"')


_Dumper.add_representer(str, _text)


def yaml_text(document: object) -> str:
    """Return `document` as YAML that parses to what it was; only its line feeds are characters that are not shown."""
    text = yaml.dump(document, Dumper=_Dumper, allow_unicode=True, sort_keys=False)
    # Inside quotes, YAML itself uses the same escapes: \u202e, \U000e0001.
    return "\n".join(escape(line) for line in text.split("\n"))
