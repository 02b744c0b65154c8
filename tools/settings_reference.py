"""The reference page of settings files, from the types that read them, and the tables of docs/settings.md.

A field's text is the documentation string below it, or its entry under "Attributes:" of its class.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from monoskope.client.known.table import KEYS, MORE, Bound
from monoskope.m8 import settings as m8_settings
from monoskope.reactor import settings as reactor_settings
from monoskope.stores import registry
from tools.http_reference import filled

ENGINE_PAGES = {
    "age": "age.md",
    "aws-secretsmanager": "aws.md",
    "aws-ssm": "aws.md",
    "barbican": "barbican.md",
    "kubernetes": "kubernetes.md",
    "mariadb-account": "mariadb-account.md",
    "pass": "pass.md",
    "postgresql-account": "postgresql-account.md",
    "rabbitmq-account": "rabbitmq-account.md",
    "redis-account": "redis-account.md",
    "vault": "vault.md",
    "vault-kv1": "vault.md",
}
"""The page of docs/stores that explains each kind of engine."""

_PAGE = Path("docs/settings.md")
_COUNTS = {Bound.NOT: "every", Bound.WHERE_NAMED: "own", Bound.TO_ONE: "own alone"}

_HEAD = """# Settings

{note}
Settings files are TOML. An unknown field, a wrong type or a value that breaks a rule stops the program with the file,
the field and the fix; nothing is guessed. Paths are relative to the file's folder.
"""
_PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "nothing"}


def render(note: str) -> str:
    """The whole of settings.md."""
    return "\n".join(
        [
            _HEAD.format(note=note),
            *_file("m8.toml", "In the folder of m8 (`--dir`, `M8_DIR`).", m8_settings.File),
            *_file("reactor.toml", "In the folder of each secret reactor.", reactor_settings.ReactorFile),
            *_engines(),
            *_others(),
        ]
    )


def _file(name: str, where: str, kind: type[msgspec.Struct]) -> Iterator[str]:
    yield f"## {name}\n\n{where}\n"
    yield from table(kind, "")


def _engines() -> Iterator[str]:
    yield "## The `[engine]` table of reactor.toml\n"
    yield "Its `type` names the driver; the other fields are the driver's own.\n"
    seen: dict[type[msgspec.Struct], str] = {}
    for kind in sorted(ENGINE_PAGES):
        yield f'### type = "{kind}"\n\nExplained in [its page](../stores/{ENGINE_PAGES[kind]}).\n'
        config = registry.find(kind).Config
        if config in seen:
            yield f'It has the fields of `type = "{seen[config]}"`.\n'
        else:
            yield from table(config, "engine")
        seen.setdefault(config, kind)


def table(kind: type[msgspec.Struct], path: str, title: str = "") -> Iterator[str]:
    """Yield the table of a type, whose TOML table is `path`, then those of the tables inside it."""
    if title:
        yield f"**`{title}`** {_first_sentence(kind)}\n"
    texts = documented(kind)
    inner: list[tuple[msgspec.structs.FieldInfo, type[msgspec.Struct]]] = []
    yield "| field | type | default | meaning |\n|---|---|---|---|"
    for field in msgspec.structs.fields(kind):
        inner += [(field, struct) for struct in _structs(field.type)]
        meaning = texts.get(field.name, "")
        if not meaning:
            raise ValueError(f"{kind.__name__}.{field.name} has no documentation string")
        yield f"| `{field.encode_name}` | {_type(field.type)} | {_default(field)} | {meaning} |"
    yield ""
    for field, struct in inner:
        below = f"{path}.{field.encode_name}".lstrip(".")
        yield from table(struct, below, _title(below, field, struct))


def _title(name: str, field: msgspec.structs.FieldInfo, struct: type[msgspec.Struct]) -> str:
    """Return how TOML spells the table `name` of a field."""
    title = f"[[{name}]]" if typing.get_origin(field.type) in {list, tuple} else f"[{name}]"
    if struct.__struct_config__.tag is not None:
        title += f' {struct.__struct_config__.tag_field} = "{struct.__struct_config__.tag}"'
    return title


def _structs(kind: Any) -> Iterator[type[msgspec.Struct]]:  # noqa: ANN401 - a type expression
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for part in typing.get_args(kind):
        yield from _structs(part)


def _type(kind: Any) -> str:  # noqa: ANN401 - a type expression
    """Return a type in words."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        named = [_type(part) for part in parts if part is not type(None)]
        return " or ".join(dict.fromkeys(named))
    if origin in {list, tuple}:
        return f"list of {_type(parts[0])}"
    if origin is typing.Literal:
        return " or ".join(f'`"{part}"`' for part in parts)
    return "table"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else None
    if field.default_factory is not msgspec.NODEFAULT or value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(_toml(part) for part in value)}]`"
    return f"`{_toml(value)}`"


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _first_sentence(kind: type[msgspec.Struct]) -> str:
    text = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    text = re.sub(r"^(The|A|One of `paths` of a) `\[.*?\]` table( of reactor\.toml)?[:,.]? *", "", text)
    return text[:1].upper() + text[1:]


def documented(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Field to text of a type and of the types that it inherits from."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if issubclass(one, msgspec.Struct) and one is not msgspec.Struct:
            found |= _attributes(one.__doc__ or "") | _strings(one)
    return {name: text.replace("|", "\\|") for name, text in found.items()}


def _strings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Field to the documentation string below it."""
    tree = ast.parse(inspect.getsource(importlib.import_module(kind.__module__)))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    found: dict[str, str] = {}
    for node, following in itertools.pairwise(body):
        match node, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text).replace("\n", " ")
            case _:
                pass
    return found


def _attributes(doc: str) -> dict[str, str]:
    """Field to its entry under "Attributes:"."""
    _, _, listed = inspect.cleandoc(doc).partition("Attributes:\n")
    found: dict[str, str] = {}
    name = ""
    for line in listed.splitlines():
        start, separator, text = line.strip().partition(": ")
        if separator and line.startswith("    ") and not line.startswith("     ") and start.isidentifier():
            name = start
            found[name] = text
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return found


def _others() -> Iterator[str]:
    yield "## config.toml and `MONOCTL_…`\n"
    yield "Of `monoctl` and the SDK: [they have a page of their own](../settings.md).\n"
    yield "## Environment variables of `m8`\n"
    yield (
        "`m8` reads `M8_DIR`, its folder, where `--dir` is not given, and `M8_DATABASE_PASSWORD`, the password of "
        "its role in PostgreSQL, where `database_password_file` is not set.\n"
    )


def render_client(root: Path) -> str:
    """Return the whole of docs/settings.md, with its tables as the code is now."""
    page = (root / _PAGE).read_text(encoding="utf-8")
    return filled(filled(page, "settings", _settings()), "more", _more())


def _settings() -> str:
    counts = {key.name: _COUNTS[key.bound] if key.in_files else "not in files" for key in KEYS}
    rows = [f"| `{key.name}` | {counts[key.name]} | {key.meaning} |" for key in KEYS]
    return "\n".join(["| setting | counts for | meaning |", "|---|---|---|", *rows])


def _more() -> str:
    rows = [f"| `MONOCTL_{name.upper()}` | {meaning} |" for name, meaning in MORE.items()]
    return "\n".join(["| variable | meaning |", "|---|---|", *rows])
