"""A file of role bindings: YAML or JSON, read strictly. What has no place there is refused, with its line.

Each role binding is a mapping with `kind: RoleBinding`, `name`, `role`, `members` and, for users, `prefix` and
`rights`. One that has a `version` is changed only if it is still of that version. Who made it (`made_by`) is m8's to
say, and not looked at. They stand in documents of their own (`---`), or in a list, as
`monoctl get role-bindings -o yaml` prints them.
"""

from __future__ import annotations

import re

import yaml

from monoskope.client.results.access import RoleBinding
from monoskope.errors import UsageError
from monoskope.monoctl.input.strict_yaml import Reader
from monoskope.protocol.login import Member
from monoskope.uri import UriPrefix

KIND = "RoleBinding"
_TEXTS = ("kind", "name", "role", "prefix", "made_by", "version")
_LISTS = ("members", "rights")
_NEEDED = ("kind", "name", "role", "members")
_VERSION = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def parse(content: bytes, name: str) -> list[RoleBinding]:
    """Return the role bindings in `content`; `name` is the file's, for messages.

    Raises:
        UsageError: it is too large, no YAML, or says something that has no place; with the line.
    """
    reader = Reader(name, "a role binding")
    return [_binding(node, reader) for node in reader.mappings(content)]


def _binding(node: yaml.MappingNode, reader: Reader) -> RoleBinding:
    fields = reader.fields(node, (*_TEXTS, *_LISTS))
    missing = [field for field in _NEEDED if field not in fields]
    if missing:
        raise reader.wrong(node, f"{missing[0]} is missing")
    texts = {field: reader.text(fields[field], field) for field in _TEXTS if field in fields}
    lists = {field: reader.texts(fields[field], field) for field in _LISTS if field in fields}
    if texts.pop("kind") != KIND:
        raise reader.wrong(fields["kind"], f"kind must be {KIND}")
    texts.pop("made_by", None)
    version = texts.pop("version", "")
    if "version" in fields and _VERSION.fullmatch(version) is None:
        raise reader.wrong(fields["version"], "version must be a whole number from 1")
    if not lists["members"]:
        raise reader.wrong(fields["members"], "members names nobody")
    binding = RoleBinding(members=lists["members"], rights=lists.get("rights", ()), version=int(version or 0), **texts)
    try:
        binding.message()
        for member in binding.members:
            Member.parse(member)
        if binding.prefix:
            UriPrefix.parse(binding.prefix)
    except UsageError as error:
        raise reader.at(node, error) from None
    return binding
