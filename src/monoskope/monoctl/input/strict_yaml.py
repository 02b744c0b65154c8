"""Files of YAML or JSON that say what is wanted, read strictly. What has no place there is refused, with its line."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

import yaml

from monoskope.errors import UsageError

MAX_FILE = 1_048_576
"""Bytes of a file at most."""


class _Loader(yaml.BaseLoader):
    """Leaves every scalar the text that it is, and takes no alias: a small file could make a huge document of them."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Return the next node. Raises `YAMLError` for an alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="an alias", problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]  # as yaml has it
        return super().compose_node(parent, index)


class Reader:
    """Reads one file of things of one kind.

    Args:
        name: The file's, for messages.
        what: One of these things, such as "a role binding".
    """

    def __init__(self, name: str, what: str) -> None:
        self._name = name
        self._what = what

    def mappings(self, content: bytes) -> Iterator[yaml.MappingNode]:
        """Yield each thing: documents of their own (`---`), or entries of a list. Raises `UsageError`."""
        for node in self._nodes(content):
            for one in node.value if isinstance(node, yaml.SequenceNode) else [node]:
                if not isinstance(one, yaml.MappingNode):
                    raise self.wrong(one, f"{self._what} must be a mapping")
                yield one

    def _nodes(self, content: bytes) -> list[yaml.Node]:
        name = self._name
        if len(content) > MAX_FILE:
            raise UsageError(f"{name} has more than {MAX_FILE:,} bytes.", fix="Split it, or name groups of members.")
        try:
            return list(yaml.compose_all(content.decode(), Loader=_Loader))
        except UnicodeDecodeError:
            raise UsageError(f"{name} is not UTF-8.", fix="Save it as UTF-8.") from None
        except RecursionError:
            raise UsageError(f"{name} is nested too deeply.", fix="Write a list.") from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            why = f"it is not YAML that can be read here: {error.problem}"
            raise _wrong(name, 0 if mark is None else mark.line, why) from None
        except yaml.YAMLError:
            raise UsageError(f"{name} is not YAML.", fix="Correct it.") from None

    def fields(self, node: yaml.MappingNode, known: Container[str]) -> dict[str, yaml.Node]:
        """Return the fields of a thing by name. Raises `UsageError` for one that is not known, or stands twice."""
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            field = self.text(key, "a field's name")
            if field not in known:
                raise self.wrong(key, f"{self._what} has no field {field!r}")
            if field in found:
                raise self.wrong(key, f"{field} stands twice")
            found[field] = value
        return found

    def text(self, node: yaml.Node, field: str) -> str:
        """Return a text. Raises `UsageError` for anything else."""
        if not isinstance(node, yaml.ScalarNode):
            raise self.wrong(node, f"{field} must be a text")
        return str(node.value)

    def texts(self, node: yaml.Node, field: str) -> tuple[str, ...]:
        """Return a list of texts, each once. Raises `UsageError` for anything else."""
        if not isinstance(node, yaml.SequenceNode):
            raise self.wrong(node, f"{field} must be a list")
        found = tuple(self.text(one, f"an entry of {field}") for one in node.value)
        for place, one in enumerate(found):
            if one in found[:place]:
                raise self.wrong(node.value[place], f"{field} names {one!r} twice")
        return found

    def table(self, node: yaml.Node, field: str) -> Mapping[str, str]:
        """Return texts by name. Raises `UsageError` for anything else."""
        if not isinstance(node, yaml.MappingNode):
            raise self.wrong(node, f"{field} must be a mapping")
        found: dict[str, str] = {}
        for key, value in node.value:
            name = self.text(key, f"a name in {field}")
            if name in found:
                raise self.wrong(key, f"{field} names {name!r} twice")
            found[name] = self.text(value, f"{field}.{name}")
        return found

    def wrong(self, node: yaml.Node, why: str) -> UsageError:
        """Return the error for what stands at `node`."""
        return _wrong(self._name, node.start_mark.line, why)

    def at(self, node: yaml.Node, error: UsageError) -> UsageError:
        """Return an error with the line of the thing that it is about."""
        return UsageError(f"{self._name}, line {node.start_mark.line + 1}: {error.message}", fix=error.fix)


def _wrong(name: str, line: int, why: str) -> UsageError:
    return UsageError(f"{name}, line {line + 1}: {why}.", fix="Correct it; nothing was sent.")
