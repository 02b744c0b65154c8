"""Every class of ours, and which of them could hold a secret: by the types and the names of their fields."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import pickle
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import pytest

import monoskope
from monoskope.value import Unshared

_KEYED_BY_ID = re.compile(r"\b(dict|Mapping|OrderedDict)\[bytes, ")
_TYPES = re.compile(
    r"\b(bytes|bytearray|memoryview|Payload|MLKEM\w+|\w*PrivateKey|x25519\.Identity)\b"
    r"|\b(dict|Mapping|OrderedDict)\[str, (Any|object)\]"
)
"""Types that can be a value, a key, a credential or the body of an answer."""
_TEXT = re.compile(r"\b(str|object|Any)\b|^\?$")
_NAMES = re.compile(
    r"(^|_)(token|jwt|seed|plaintext|password|passphrase|secret|private|payload|value|content|body|raw|data|credential"
    r"|pem|text|key)s?$|secret_id$|token_text$|private_key"
)
"""Names of text that can be one."""
_PUBLIC = re.compile(r"(sha256|hash|replica|request_id|public_key|encapsulated_key|ciphertext|_file)$")
"""Names of what is none: digests, ids, public keys, sealed bytes, names of files."""


@dataclass(frozen=True)
class Field:
    name: str
    kind: str
    """The annotation; "?" where there is none."""

    @property
    def could_hold_a_secret(self) -> bool:
        """Whether its type can be a secret, or its name says so of text."""
        if _PUBLIC.search(self.name):
            return False
        kind = _KEYED_BY_ID.sub("", self.kind)
        return bool(_TYPES.search(kind) or (_TEXT.search(kind) and _NAMES.search(self.name)))


@cache
def classes() -> list[tuple[type, list[Field]]]:
    """Every class at the top of a module of ours, with its fields; not what is generated or for tests."""
    return [
        (vars(module)[node.name], list(fields_of(node)))
        for module in _modules()
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef)
    ]


@cache
def suspects() -> dict[str, list[Field]]:
    """Every class that could hold a secret, is no exception and does not refuse copies; with the fields that say so."""
    found = {}
    for kind, fields in classes():
        could = [field for field in fields if field.could_hold_a_secret]
        if could and not issubclass(kind, (Unshared, BaseException)):
            found[f"{kind.__module__}.{kind.__qualname__}"] = could
    return found


def _modules() -> Iterator[ModuleType]:
    for module in pkgutil.walk_packages(monoskope.__path__, "monoskope."):
        if not module.name.startswith(("monoskope.api.", "monoskope.testing")) and not module.name.endswith("__main__"):
            yield importlib.import_module(module.name)


def fields_of(node: ast.ClassDef) -> Iterator[Field]:
    """The fields that a class declares, and what its methods put into `self`."""
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            kind = ast.unparse(one.annotation)
            if not kind.startswith("ClassVar"):
                yield Field(one.target.id, kind)
        elif isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _put_into_self(one)


def _put_into_self(method: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Field]:
    arguments = (*method.args.posonlyargs, *method.args.args, *method.args.kwonlyargs)
    kinds = {each.arg: ast.unparse(each.annotation) for each in arguments if each.annotation is not None}
    for node in ast.walk(method):
        if not isinstance(node, (ast.Assign, ast.AnnAssign)):
            continue
        kind = kinds.get(ast.unparse(node.value), "?") if node.value is not None else "?"
        if isinstance(node, ast.AnnAssign):
            kind = ast.unparse(node.annotation)
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                yield Field(target.attr, kind)


def check_unshared(holder: object) -> None:
    """Fail unless `holder` refuses to be pickled and copied."""
    ways: list[Callable[[object], object]] = [copy.copy, copy.deepcopy]
    ways += [lambda one, protocol=protocol: pickle.dumps(one, protocol) for protocol in range(6)]  # type: ignore[misc]
    for way in ways:
        with pytest.raises(TypeError, match="never pickled or copied"):
            way(holder)
