"""A file of role bindings: YAML or JSON, read strictly. What has no place there is refused, with its line.

Each role binding is a mapping with `kind: RoleBinding`, `name`, `role`, `members` and, for users, `prefix` and
`rights`. Who made it (`made_by`) is m8's to say, and not looked at. They stand in documents of their own (`---`), or in
a list, as `monoctl get role-bindings -o yaml` prints them.
"""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from monoskope.client.results.access import RoleBinding
from monoskope.errors import UsageError
from monoskope.protocol.login import Member
from monoskope.uri import UriPrefix

MAX_FILE = 1_048_576
"""Bytes of a file at most."""

KIND = "RoleBinding"
_TEXTS = ("kind", "name", "role", "prefix", "made_by")
_LISTS = ("members", "rights")
_NEEDED = ("kind", "name", "role", "members")


class _Loader(yaml.BaseLoader):
    """Leaves every scalar the text that it is, and takes no alias: a small file could make a huge document of them."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Return the next node. Raises `YAMLError` for an alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="an alias", problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]  # as yaml has it
        return super().compose_node(parent, index)


def parse(content: bytes, name: str) -> list[RoleBinding]:
    """Return the role bindings in `content`; `name` is the file's, for messages.

    Raises:
        UsageError: it is too large, no YAML, or says something that has no place; with the line.
    """
    if len(content) > MAX_FILE:
        raise UsageError(f"{name} has more than {MAX_FILE:,} bytes.", fix="Name groups instead of their members.")
    return [_binding(node, name) for node in _mappings(_nodes(content, name), name)]


def _nodes(content: bytes, name: str) -> list[yaml.Node]:
    try:
        return list(yaml.compose_all(content.decode(), Loader=_Loader))
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8.", fix="Save it as UTF-8.") from None
    except RecursionError:
        raise UsageError(f"{name} is nested too deeply.", fix="Write a list of role bindings.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = 0 if mark is None else mark.line
        raise _wrong(name, line, f"it is not YAML that can be read here: {error.problem}") from None
    except yaml.YAMLError:
        raise UsageError(f"{name} is not YAML.", fix="Correct it.") from None


def _mappings(nodes: list[yaml.Node], name: str) -> Iterator[yaml.MappingNode]:
    for node in nodes:
        for one in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(one, yaml.MappingNode):
                raise _wrong(name, one.start_mark.line, "a role binding must be a mapping")
            yield one


def _binding(node: yaml.MappingNode, name: str) -> RoleBinding:
    fields = dict(_fields(node, name))
    line = node.start_mark.line
    missing = [field for field in _NEEDED if field not in fields]
    if missing:
        raise _wrong(name, line, f"{missing[0]} is missing")
    texts = {field: _text(fields[field], field, name) for field in _TEXTS if field in fields}
    lists = {field: _list(fields[field], field, name) for field in _LISTS if field in fields}
    if texts.pop("kind") != KIND:
        raise _wrong(name, fields["kind"].start_mark.line, f"kind must be {KIND}")
    texts.pop("made_by", None)
    binding = RoleBinding(members=lists["members"], rights=lists.get("rights", ()), **texts)
    try:
        binding.message()
        for member in binding.members:
            Member.parse(member)
        if binding.prefix:
            UriPrefix.parse(binding.prefix)
    except UsageError as error:
        raise UsageError(f"{name}, line {line + 1}: {error.message}", fix=error.fix) from None
    return binding


def _fields(node: yaml.MappingNode, name: str) -> Iterator[tuple[str, yaml.Node]]:
    seen: set[str] = set()
    for key, value in node.value:
        field = _text(key, "a field's name", name)
        if field not in (*_TEXTS, *_LISTS):
            raise _wrong(name, key.start_mark.line, f"a role binding has no field {field!r}")
        if field in seen:
            raise _wrong(name, key.start_mark.line, f"{field} stands twice")
        seen.add(field)
        yield field, value


def _text(node: yaml.Node, field: str, name: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _wrong(name, node.start_mark.line, f"{field} must be a text")
    return str(node.value)


def _list(node: yaml.Node, field: str, name: str) -> tuple[str, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise _wrong(name, node.start_mark.line, f"{field} must be a list")
    found = tuple(_text(one, f"an entry of {field}", name) for one in node.value)
    for place, one in enumerate(found):
        if one in found[:place]:
            raise _wrong(name, node.value[place].start_mark.line, f"{field} names {one!r} twice")
    return found


def _wrong(name: str, line: int, why: str) -> UsageError:
    return UsageError(f"{name}, line {line + 1}: {why}.", fix="Correct it; nothing was sent.")
