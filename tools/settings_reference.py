"""The reference page of settings files and environment variables, from the types that read them.

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
from typing import Any

import msgspec

from monoskope.client.known import sources
from monoskope.m8 import settings as m8_settings
from monoskope.reactor import settings as reactor_settings
from monoskope.stores import registry

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

VARIABLE_TEXTS = {
    "MONOCTL_CA": "The certificate authority that signs the server's certificate, as PEM text.",
    "MONOCTL_CA_FILE": "PEM file of the certificate authority that signs the server's certificate.",
    "MONOCTL_CONFIG": "The settings file, in place of `~/.config/monoskope/config.toml`.",
    "MONOCTL_DEFAULT_STORE": "The default store that you agree to in advance.",
    "MONOCTL_ID_TOKEN": "A JWT of a build job for this m8, as GitLab's `id_tokens` hands it over; m8 exchanges it.",
    "MONOCTL_KNOWN_STORES": "The file with the identities of stores that you trust, mode 0600.",
    "MONOCTL_LOGIN_AUDIENCE": (
        "What tokens for this m8 name as their audience; by default the client id, and the name of the server in build"
        " jobs."
    ),
    "MONOCTL_LOGIN_CA_FILE": "PEM file of the certificate authority that signs the certificate of the issuer.",
    "MONOCTL_LOGIN_CLIENT_ID": "What the issuer calls monoctl.",
    "MONOCTL_LOGIN_HOSTS": "Hosts besides its own at which the issuer may have endpoints, with spaces between.",
    "MONOCTL_LOGIN_ISSUER": "The OpenID Connect provider at which `monoctl login` logs in.",
    "MONOCTL_LOGIN_SCOPES": "Scopes to ask for besides `openid` and `offline_access`, with spaces between.",
    "MONOCTL_LOG_QUORUM": "How many of the witnesses must have cosigned what m8 shows of its log.",
    "MONOCTL_LOG_VKEYS": "The two verifier keys of the log of m8, with a space between (../witnessed-log.md).",
    "MONOCTL_LOG_WITNESSES": "The verifier keys of the witnesses that you trust, with spaces between.",
    "MONOCTL_REQUESTER": "How the lists of the stores call you who propose changes (../approvals.md).",
    "MONOCTL_RETRY_FOR": "For how many seconds what is away and comes back by itself is waited for (../waiting.md).",
    "MONOCTL_SERVER": "The `host:port` of m8, or several of one log with commas.",
    "MONOCTL_SIGNING_KEY": "The key that signs requests: a file, or a public key itself (../signed-requests.md).",
    "MONOCTL_STORE_IDENTITY": "Identities that you agree to in advance: `store=SHA256:…`, with spaces between.",
    "MONOCTL_TOKEN": "Your token, as text; for the server of MONOCTL_SERVER alone, if that is set.",
    "MONOCTL_TOKEN_FILE": "File with your token, which others cannot reach; as MONOCTL_TOKEN.",
}
"""What each environment variable of the client means."""

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
            *_file("config.toml", "Of `monoctl` and the SDK; mode 0600.", sources.ConfigFile),
            *_variables(),
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


def _variables() -> Iterator[str]:
    """Yield the environment variables; every one that the client reads must have a text."""
    yield "## Environment variables of `monoctl` and the SDK\n"
    yield "An unknown variable that begins with `MONOCTL_` is an error: a misspelt one could lead to another server.\n"
    yield "| variable | meaning |\n|---|---|"
    yield from (f"| `{name}` | {VARIABLE_TEXTS[name]} |" for name in sorted(sources.VARIABLES))
    yield (
        "\n`m8` reads `M8_DIR`, its folder, where `--dir` is not given, and `M8_DATABASE_PASSWORD`, the password of "
        "its role in PostgreSQL, where `database_password_file` is not set.\n"
    )
