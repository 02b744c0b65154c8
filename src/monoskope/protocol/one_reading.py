"""Rules by which what a request's options say is said in one form only: no two readers can take it differently."""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.api.secrets.v1 import options_pb2


def sorted_once(labels: Sequence[options_pb2.Label]) -> bool:
    """Whether labels are in the order of their names, each name once."""
    names = [label.name for label in labels]
    return sorted(set(names)) == names


def strict_json(text: str) -> object:
    """Return what `text` holds.

    Raises:
        ValueError: it is not JSON, has what JSON does not have, such as NaN, or names a member of an object twice.
        RecursionError: it is nested too deeply.
    """
    import json  # noqa: PLC0415 - few requests hold any

    parsed: object = json.loads(text, object_pairs_hook=_members, parse_constant=_refuse)
    return parsed


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
