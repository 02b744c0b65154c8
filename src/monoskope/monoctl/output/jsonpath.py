"""`-o jsonpath=TEMPLATE`, as kubectl has it: text with `{PATH}`, `{"text"}` and `{range PATH}…{end}`.

The paths are JSONPath (RFC 9535) with kubectl's two liberties: the `$` may be left out, and in a range a path begins at
the item. A library of the field reads them. It takes 60 ms to load, so it is loaded for this form alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from monoskope.errors import UsageError
from monoskope.escape import escape, json_text
from monoskope.late import pattern
from monoskope.value import Value

_PIECE = pattern(r"""\{((?:[^{}"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*)\}|([^{}]+)""", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_FIX = "Write for example -o jsonpath='{.items[*].uri}'."


class _Path(Value, frozen=True):
    compiled: Any
    absolute: bool
    """Whether it begins at the document, even in a range."""


class _Range:
    """The nodes of a template, or of a `{range}` in it.

    Args:
        path: Whose matches are gone through; None for the template itself.
        absolute: Whether it begins at the document, even in a range.
    """

    def __init__(self, path: Any = None, *, absolute: bool = False) -> None:  # noqa: ANN401 - the library's own
        self.path = path
        self.absolute = absolute
        self.nodes: list[str | _Range | _Path] = []


class Template:
    """A template that was parsed. Raises `UsageError` for what is none."""

    def __init__(self, text: str) -> None:
        stack = [_Range()]
        for piece in _pieces(text):
            node = _node(piece)
            if node == _END:
                if len(stack) == 1:
                    raise _bad("{end} ends no {range}.")
                stack.pop()
                continue
            stack[-1].nodes.append(node)
            if isinstance(node, _Range):
                stack.append(node)
        if len(stack) > 1:
            raise _bad("a {range} has no {end}.")
        if all(isinstance(node, str) for node in stack[0].nodes):
            raise _bad("it names nothing to show.")
        self._root = stack[0]

    def render(self, document: object) -> str:
        """Return what the template shows of `document`; unprintable characters of values are escaped."""
        try:
            return "".join(_rendered(self._root.nodes, document, document))
        except RecursionError:
            raise _bad("it has too many steps.") from None


_END = "\0end"


def _pieces(text: str) -> Iterator[tuple[str | None, str]]:
    """Yield the inside of each pair of braces, and the texts between them."""
    at = 0
    while at < len(text):
        found = _PIECE.match(text, at)
        if found is None:
            raise _bad(f"a brace has no partner near {text[at : at + 20]!r}.")
        yield found[1], found[2]
        at = found.end()


def _node(piece: tuple[str | None, str]) -> str | _Range | _Path:
    inside, text = piece
    if inside is None:
        return text
    words = inside.strip()
    if words == "end":
        return _END
    if words[:1] in {'"', "'"} and words[-1:] == words[:1] and len(words) > 1:
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), words[1:-1], flags=re.DOTALL)
    if re.match(r"range\s", words):
        path = _path(words[len("range") :].strip())
        return _Range(path.compiled, absolute=path.absolute)
    return _path(words)


def _path(text: str) -> _Path:
    import jsonpath  # noqa: PLC0415 - for this form alone

    rest = "" if text == "." else text[1:] if text[:1] in {"$", "@"} else text
    if not text or (rest == text and rest[0] not in {".", "["}):
        raise _bad(f"{text!r} is no path.")
    try:
        return _Path(jsonpath.compile(f"${rest}", strict=True), text.startswith("$"))
    except (jsonpath.JSONPathError, RecursionError) as error:
        raise _bad(f"{text!r} is no JSONPath: {str(error).splitlines()[0]}.") from None


def _rendered(nodes: Sequence[str | _Range | _Path], document: object, item: object) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, str):
            yield node
            continue
        begin = document if node.absolute else item
        if isinstance(node, _Path):
            yield " ".join(_text(value) for value in node.compiled.findall(begin))
        else:
            for value in node.path.findall(begin):
                yield from _rendered(node.nodes, document, value)


def _text(value: object) -> str:
    return escape(value) if isinstance(value, str) else json_text(value)


def _bad(why: str) -> UsageError:
    return UsageError(f"the JSONPath template is not valid: {why}", fix=_FIX)
