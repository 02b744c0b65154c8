"""Change the product at random places outside of `protocol`: a test must fail for each, else a test is missing.

    python -m tools.random_mutants --draw 200 --seed 25   choose the places anew and write the list, without verdicts
    python -m tools.random_mutants                        try those of the list that have no verdict, in its order
    python -m tools.random_mutants m8/audit               try those of these files, whatever their verdict is
    python -m tools.random_mutants stores/aws --tests tests/conformance/test_aws_engine.py

The list is `tools/random_mutants.txt`; each verdict is written there as it falls. The nearest tests run, one after the
other (`tests_near`). A test that failed must pass on the unharmed package. What survives these gets a
test, or an assertion in one, which the list marks as new, or a sentence that says why the change makes no difference.

A program that a test starts in an environment of its own runs the checkout and not the changed copy: that such a test
passes says nothing. Two places were judged by a second `.venv` into which the copy was installed.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tools.mutants import FAILED, PACKAGE, ROOT, Mutant, Workspace

LIST = ROOT / "tools" / "random_mutants.txt"
OUTSIDE = ("protocol/", "api/", "testing/")
"""Where no place is chosen: `tools/mutants.py` covers the protocol; the API is generated, and the last is for tests."""
KINDS = ("negate", "compare", "logic", "drop", "constant", "return")
MOST_S = 120.0
"""How long the tests of one site may take together."""
MOST_FILES = 16
"""How many files of tests that are."""
ALONE_S = 90.0
"""How long one test may take that is run alone."""
SHOWN = 90
"""How many characters of a place are shown."""

_SWAPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_TYPES = {"annotation", "returns", "decorator_list", "type_params", "bases", "format_spec"}
"""Fields of nodes that only type checkers read, or that say how something is made."""
_RUNNING = re.compile(r"^(?P<test>tests/\S+\.py::.*?)(?: (?:PASSED|SKIPPED|XFAIL).*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Site:
    """One place, and what is known of it."""

    file: str
    line: int
    kind: str
    text: str
    verdict: str = ""

    @classmethod
    def parse(cls, line: str) -> Site:
        """Read one line of the list."""
        place, kind, text, verdict = line.split(" | ", maxsplit=3)
        file, _, number = place.partition(":")
        return cls(file, int(number), kind, text, verdict.strip())

    def __str__(self) -> str:
        return f"{self.file}:{self.line} | {self.kind} | {self.text} | {self.verdict}".rstrip()


@dataclass(frozen=True, slots=True)
class _Change:
    """A node of a tree that another one can stand for."""

    kind: str
    owner: ast.AST
    field: str
    index: int | None
    old: ast.expr | ast.stmt
    new: ast.AST

    def site(self, file: str) -> Site:
        text = ast.unparse(self.old).partition("\n")[0].replace(" | ", " ¦ ")
        return Site(file, self.old.lineno, self.kind, text[:SHOWN].strip())

    def make(self) -> None:
        if self.index is None:
            setattr(self.owner, self.field, self.new)
        else:
            getattr(self.owner, self.field)[self.index] = self.new


def _is_for_readers(node: ast.AST) -> bool:
    """Whether only people or type checkers read it."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Subscript(value=ast.Name(id="Literal")) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Call(func=ast.Name(id="cast" | "TypeVar" | "NewType" | "ParamSpec")):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")]):
            return True
        case _:
            return False


def _negated(test: ast.expr) -> ast.expr:
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return operand
        case _:
            return ast.UnaryOp(ast.Not(), test)


def _otherwise(node: ast.expr) -> tuple[str, ast.expr] | None:
    """Return the (kind, other expression) that may stand for one."""
    match node:
        case ast.Compare(left=left, ops=[op, *more], comparators=right):
            return "compare", ast.Compare(left, [_SWAPPED[type(op)](), *more], right)
        case ast.BoolOp(op=op, values=values):
            return "logic", ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.Constant(value=str() | bytes() | int() | float() as value):
            return "constant", ast.Constant(_other(value))
        case _:
            return None


def _other(value: str | bytes | float) -> str | bytes | float:
    match value:
        case str():
            return value + "X"
        case bytes():
            return value + b"X"
        case bool():
            return not value
        case _:
            return value + 1


def _less(node: ast.stmt) -> tuple[str, ast.stmt] | None:
    """Return the (kind, other statement) that may stand for one."""
    match node:
        case ast.Return(value=ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()) as value):
            return "return", ast.Return(_negated(value))
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            return "return", ast.Return(ast.Constant(None))
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]) | ast.AugAssign():
            return "drop", ast.Pass()
        case ast.Expr() | ast.Raise() | ast.Delete() | ast.Continue() | ast.Break():
            return "drop", ast.Pass()
        case _:
            return None


def _instead(field: str, node: ast.expr | ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """Every (kind, other node) that may stand for `node`."""
    if isinstance(node, ast.expr) and field in {"test", "ifs"} and not isinstance(node, ast.Constant):
        yield "negate", _negated(node)
    if found := _otherwise(node) if isinstance(node, ast.expr) else _less(node):
        yield found


def _changes(node: ast.AST) -> Iterator[_Change]:
    """Every change below `node`."""
    for field, value in ast.iter_fields(node):
        if field in _TYPES:
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or _is_for_readers(child):
                continue
            if isinstance(child, ast.expr | ast.stmt):
                for kind, new in _instead(field, child):
                    yield _Change(kind, node, field, index if isinstance(value, list) else None, child, new)
            yield from _changes(child)


def files() -> list[str]:
    """The files whose places may be chosen."""
    names = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))
    return [name for name in names if not name.startswith(OUTSIDE)]


def draw(count: int, seed: int) -> list[Site]:
    """Choose places by chance: first the kind of change, then one of all its places."""
    chance = random.Random(seed)
    found: dict[str, list[Site]] = {kind: [] for kind in KINDS}
    for file in files():
        for change in _changes(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
            found[change.kind].append(change.site(file))
    chosen: dict[Site, None] = {}
    while len(chosen) < count:
        chosen[chance.choice(found[chance.choice(KINDS)])] = None
    return list(chosen)


def mutant_of(site: Site) -> Mutant | None:
    """Return the changed file; None if the place is gone. Code above it may have moved it."""
    path = PACKAGE / site.file
    if not path.exists():
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    same = [
        change
        for change in _changes(tree)
        if (found := change.site(site.file)).kind == site.kind and found.text == site.text
    ]
    if not same:
        return None
    change = min(same, key=lambda one: abs(one.old.lineno - site.line))
    change.make()
    return Mutant(site.file, change.old.lineno, site.text, ast.unparse(ast.fix_missing_locations(tree)))


def _words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]{4,}", text))


def _function_at(file: str, line: int) -> str:
    """Return the innermost function or class around a line; the whole file outside of any."""
    source = (PACKAGE / file).read_text(encoding="utf-8")
    around = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return (ast.get_source_segment(source, max(around, key=lambda node: node.lineno)) if around else None) or source


def tests_near(file: str, line: int) -> list[str]:
    """The files of unit tests to run, nearest first.

    Those with the file's name, those that import it, and those that share the rarest words with the function.
    """
    module = ".".join(("monoskope", *Path(file).with_suffix("").parts)).removesuffix(".__init__")
    package, _, name = module.rpartition(".")
    imports = re.compile(rf"\b{re.escape(module)}\b|from {re.escape(package)} import \(?[^)\n]*\b{re.escape(name)}\b")
    texts = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests" / "unit").rglob("test_*.py"))}
    words = {path: _words(text) for path, text in texts.items()}
    often = Counter(word for found in words.values() for word in found)
    wanted = _words(_function_at(file, line)) | _words(file)

    def nearness(path: Path) -> tuple[bool, bool, float]:
        named = name in path.stem and not words[path].isdisjoint({package.rpartition(".")[2], "monoskope"})
        shared = sum(1 / often[word] for word in wanted & words[path])
        return named, imports.search(texts[path]) is not None, shared

    return [str(path.relative_to(ROOT)) for path in sorted(texts, key=nearness, reverse=True)[:MOST_FILES]]


def killer_of(mutant: Mutant, space: Workspace, tests: Sequence[str]) -> str | None:
    """Return the test that a mutant fails, or never ends; None if there is none within the time."""
    with space.harmed(mutant):
        code, output = space.pytest(tests, MOST_S, "-v")
        if failed := FAILED.search(output):
            return str(failed["test"]).partition("[")[0]
        running = _RUNNING.findall(output)
        if code is None and running and space.pytest([running[-1]], ALONE_S, "-q")[0] != 0:
            return str(running[-1])
    return None


def judge(site: Site, space: Workspace, tests: Sequence[str] = ()) -> str:
    """Return the verdict of some tests on a site, of those near it without any."""
    mutant = mutant_of(site)
    if mutant is None:
        return "gone"
    test = killer_of(mutant, space, tests or tests_near(site.file, mutant.line))
    if test is None:
        return "survived"
    unharmed, _ = space.pytest([test], 2 * ALONE_S, "-q")
    return f"killed: {test}" if unharmed == 0 else f"undecided: {test} fails without it, too"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns 1 if a site survives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="parts of file names; all places without a verdict, if none are given")
    parser.add_argument("--draw", type=int, metavar="N", help="write a new list of N places")
    parser.add_argument("--seed", type=int, default=0, help="choose them by this seed")
    parser.add_argument("--tests", nargs="+", default=[], help="run these tests alone")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further place after this time")
    chosen = parser.parse_args(arguments)
    if chosen.draw:
        head = (
            f"# {chosen.draw} places by seed {chosen.seed} (tools/random_mutants.py). Where | change | what | verdict"
        )
        LIST.write_text("\n".join([head, *map(str, draw(chosen.draw, chosen.seed)), ""]), encoding="utf-8")
        return 0
    os.nice(19)
    head, *rows = LIST.read_text(encoding="utf-8").splitlines()
    begun, survivors = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        space = Workspace(Path(folder))
        for number, row in enumerate(rows):
            site = Site.parse(row + " ")
            if not (any(word in site.file for word in chosen.words) if chosen.words else not site.verdict):
                continue
            if time.monotonic() - begun > chosen.seconds:
                break
            judged = replace(site, verdict=judge(site, space, chosen.tests))
            survivors += judged.verdict.startswith("survived")
            rows[number] = str(judged)
            print(f"{number + 1}/{len(rows)} {judged}", flush=True)
            LIST.write_text("\n".join([head, *rows, ""]), encoding="utf-8")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
