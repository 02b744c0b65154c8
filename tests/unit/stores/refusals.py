"""Every place in the drivers' modules where a refusal is made, found in their syntax trees."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import monoskope.stores

TABLE = Path(__file__).with_name("refusals.txt")
Refusal = tuple[str, str, str]
FOLDER = Path(monoskope.stores.__path__[0])
_KINDS = frozenset({"StoreRefusedError", "UnsupportedError", "CannotReadError", "OvertakenError"})
_MAKES_ONE = _KINDS | {"DriverError"}
"""What a function that returns a refusal has in its annotation."""
_IN_A_TABLE = "Refusal"
"""What a refusal by status is in a table."""
_RAISE_ONE = frozenset({"expect_ok", "refused"})
"""What drivers share that raises a refusal by itself."""
_BEFORE = ("check", "check_payload")
_PACKAGE = "monoskope.stores."


def modules() -> dict[str, ast.Module]:
    """Every module of the package, by its name in it: `vault.kv2`."""
    return {
        ".".join(file.relative_to(FOLDER).with_suffix("").parts): ast.parse(file.read_text(encoding="utf-8"))
        for file in sorted(FOLDER.rglob("*.py"))
    }


def refusals(trees: dict[str, ast.Module]) -> Iterator[tuple[str, str, str]]:
    """Every refusal: its module, the function, and the sentence, or the function that makes the error."""
    makers = {function.name for tree in trees.values() for _, function in _functions(tree) if _is_maker(function)}
    for module, tree in trees.items():
        for place, node in (*_functions(tree), *_tables(tree)):
            for call in _calls(node):
                name = _name(call)
                if name in _KINDS or name == _IN_A_TABLE:
                    yield module, place, _sentence(call)
                elif name in makers or name in _RAISE_ONE:
                    yield module, place, f"{name}()"


def reached_before(trees: dict[str, ast.Module]) -> set[tuple[str, str]]:
    """Every function, by module, that `check` or `check_payload` of a driver can come to.

    By names: a call reaches what has that name in the same module or in one that it imports, so this may find too much.
    """
    found: dict[tuple[str, str], list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]] = defaultdict(list)
    for module, tree in trees.items():
        for place, function in _functions(tree):
            found[module, function.name].append((place, function))
    begun = [(module, name) for module, name in found if name in _BEFORE]
    reached: set[tuple[str, str]] = set()
    seen = set(begun)
    while begun:
        module, name = begun.pop()
        for place, function in found[module, name]:
            reached.add((module, place))
            for call in _calls(function):
                for near in _near(trees, module):
                    one = (near, _name(call))
                    if one in found and one not in seen:
                        seen.add(one)
                        begun.append(one)
    return reached


def _near(trees: dict[str, ast.Module], module: str) -> set[str]:
    names = {module}
    for node in ast.walk(trees[module]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_PACKAGE):
            names.add((node.module or "").removeprefix(_PACKAGE))
    return names & trees.keys()


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for one in node.body:
                if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield f"{node.name}.{one.name}", one


def _tables(tree: ast.Module) -> Iterator[tuple[str, ast.Assign]]:
    """Every assignment to one name at the top of a module."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node


def _is_maker(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    returns = function.returns
    return returns is not None and any(
        isinstance(node, ast.Name) and node.id in _MAKES_ONE for node in ast.walk(returns)
    )


def _calls(within: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(within) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _sentence(call: ast.Call) -> str:
    first = call.args[0]
    if isinstance(first, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in first.values)
    return str(first.value) if isinstance(first, ast.Constant) else ast.unparse(first)


def table() -> dict[Refusal, str]:
    """When each refusal comes, by the table."""
    when, found = "", {}
    for line in TABLE.read_text(encoding="utf-8").split("\n\n", 1)[1].splitlines():
        if line.startswith("== "):
            when = line.removeprefix("== ").partition(":")[0]
        elif line:
            module, place, sentence = line.split(" | ", 2)
            assert (module, place, sentence) not in found, f"twice in the table: {line}"
            found[module, place, sentence] = when
    return found
