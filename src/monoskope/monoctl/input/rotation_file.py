"""A file of rotations: YAML or JSON, read strictly. What has no place there is refused, with its line.

Each rotation is a mapping with `kind: Rotation`, `secret`, `accounts` and, if they are wanted, `recipes`, `every`,
`grace` and `window` (docs/rotation.md). They stand in documents of their own (`---`), or in a list.
"""

from __future__ import annotations

import yaml

from monoskope.client.rotation.spec import Rotation
from monoskope.errors import UsageError
from monoskope.monoctl.input.strict_yaml import Reader

KIND = "Rotation"
_TEXTS = ("kind", "secret", "every", "grace", "window")
_NEEDED = ("kind", "secret", "accounts")


def parse(content: bytes, name: str) -> list[Rotation]:
    """Return the rotations in `content`; `name` is the file's, for messages.

    Raises:
        UsageError: it is too large, no YAML, or says something that has no place, with the line; or two rotations are
            of one secret or share an account: then one would change what the other has just set.
    """
    reader = Reader(name, "a rotation")
    found: list[Rotation] = []
    used: set[str] = set()
    for node in reader.mappings(content):
        rotation = _rotation(node, reader)
        places = {rotation.secret, rotation.next, *rotation.accounts}
        if places & used:
            raise reader.wrong(node, f"{min(places & used)} is of two rotations")
        used |= places
        found.append(rotation)
    if not found:
        raise UsageError(f"{name} has no rotation.", fix="Write one with kind: Rotation.")
    return found


def _rotation(node: yaml.MappingNode, reader: Reader) -> Rotation:
    fields = reader.fields(node, (*_TEXTS, "accounts", "recipes"))
    missing = [field for field in _NEEDED if field not in fields]
    if missing:
        raise reader.wrong(node, f"{missing[0]} is missing")
    texts = {field: reader.text(fields[field], field) for field in _TEXTS if field in fields}
    if texts.pop("kind") != KIND:
        raise reader.wrong(fields["kind"], f"kind must be {KIND}")
    accounts = reader.texts(fields["accounts"], "accounts")
    recipes = reader.table(fields["recipes"], "recipes") if "recipes" in fields else {}
    try:
        return Rotation.of(texts.pop("secret"), accounts, recipes, **texts)
    except UsageError as error:
        raise reader.at(node, error) from None
