"""Remove each check of the protocol in turn: a test must fail each time, else the check is not tested.

    python tools/mutants.py                 all of them; 1 if any survives
    python tools/mutants.py grant payload   only those of files whose name contains one of the words
    python tools/mutants.py --list          what would be removed
    python tools/mutants.py client/trust --tests tests/lies
                                            with these tests alone: whether the lies of the catalogue bite

A check is an `if` that ends in `raise`, each operand of its `or`, each bound of its `low <= x <= high`, and a call for
its own sake of a function that is named like a check. In files that decide by conditions rather than by raising
(`RULES`) it is each operand of an `and` or `or`, too, wherever it stands. Mutants live in a copy of the package in a
temporary folder that comes first on the import path: the checkout is never touched.
"""

from __future__ import annotations

import argparse
import ast
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "monoskope"
RULES = (
    "ownership.py",
    "protocol/approvers.py",
    "protocol/events.py",
    "protocol/sshsig/lists.py",
    "client/walk/walk.py",
    "reactor/upstream/first_look.py",
    "reactor/limits.py",
    "reactor/upstream/content.py",
    "reactor/work/write.py",
    "reactor/signers/approvals.py",
    "reactor/signers/decision.py",
    "reactor/signers/list_file.py",
    "reactor/signers/settings.py",
)
"""Files whose conditions are rules, whether or not they lead to `raise`."""
CHECKS = (
    "client/access.py",
    "client/changes/__init__.py",
    "client/changes/approved.py",
    "client/changes/approving.py",
    "client/changes/calls.py",
    "client/proofs/log.py",
    "client/proofs/__init__.py",
    "client/walk/receipts.py",
    "client/purposes/__init__.py",
    "client/queries.py",
    "client/results/changes.py",
    "client/known/seen.py",
    "client/signing/agent.py",
    "client/signing/signer.py",
    "client/signing/key_file.py",
    "client/signing/__init__.py",
    "client/walk/target.py",
    "client/walk/trust.py",
    "m8/domain/fingerprint_key.py",
    "m8/domain/reactors.py",
    "m8/limits/logins.py",
    "m8/limits/subjects.py",
    "m8/service/reactors.py",
    "protocol/change.py",
    "protocol/grant.py",
    "protocol/hello.py",
    "protocol/identity.py",
    "protocol/listing.py",
    "protocol/open_receipt.py",
    "protocol/options.py",
    "protocol/outcomes.py",
    "protocol/payload.py",
    "protocol/receipt.py",
    "protocol/request.py",
    "protocol/sshsig/certificate.py",
    "protocol/sshsig/container.py",
    "protocol/sshsig/fields.py",
    "protocol/sshsig/keys.py",
    "protocol/sshsig/primitives.py",
    "protocol/tlog/checkpoint.py",
    "protocol/tlog/forms.py",
    "protocol/tlog/log_key.py",
    "protocol/tlog/merkle.py",
    "protocol/tlog/note.py",
    "protocol/tlog/proof_file.py",
    "protocol/tlog/tiles.py",
    "protocol/tlog/upload_proof.py",
    "protocol/wire.py",
    "reactor/admission.py",
    "reactor/guarded_driver.py",
    "reactor/identity/copy_key.py",
    "reactor/keys.py",
    "reactor/link/appends.py",
    "reactor/signers/__init__.py",
    "reactor/identity/fingerprint.py",
    "reactor/work/changes.py",
    "reactor/work/copy_secret.py",
    "reactor/work/delivery.py",
    "reactor/work/new_values.py",
    "reactor/work/without_writing.py",
    "stores/kubernetes/object.py",
)
"""Files whose conditions count where they lead to `raise`."""
FILES = (*CHECKS, *RULES)
TESTS = {
    "protocol/sshsig": ("tests/unit/protocol/sshsig", "tests/unit/reactor/signers"),
    "protocol/tlog": ("tests/unit/protocol/tlog",),
    "protocol/approvers.py": ("tests/unit/protocol/tlog", "tests/unit/m8_cli/test_approvals_of_the_log.py"),
    "reactor/signers": ("tests/unit/reactor/signers",),
    "protocol": ("tests/unit/protocol", "tests/protocol", "tests/lies/test_signed_lies.py"),
    "reactor": ("tests/unit/reactor", "tests/protocol", "tests/unit/protocol", "tests/lies"),
    "client/changes": (
        "tests/unit/client/changes",
        "tests/unit/monoctl/test_approvals.py",
        "tests/lies/test_approval_lies.py",
    ),
    "client/results/changes.py": ("tests/unit/client/changes", "tests/lies/test_approval_lies.py"),
    "client/proofs": (
        "tests/unit/monoctl/test_log_proofs.py",
        "tests/unit/monoctl/test_log.py",
        "tests/unit/protocol/tlog/test_upload_proof.py",
        "tests/unit/protocol/tlog/test_proof_of_approvals.py",
        "tests/unit/client",
        "tests/lies",
    ),
    "client/signing": ("tests/unit/client/signing", "tests/protocol/test_signed_requests.py"),
    "client/walk/receipts.py": ("tests/unit/monoctl/test_proven.py", "tests/lies"),
    "client": ("tests/unit/client", "tests/protocol", "tests/unit/protocol", "tests/lies"),
    "m8": ("tests/unit/m8",),
    "stores": ("tests/unit/stores",),
    "ownership.py": ("tests/unit/test_private_files.py", "tests/unit/reactor/signers"),
}
"""Part of the package to its tests, nearest first, those with processes last. The first part that fits counts."""
PROCESSES = 2
SLOWEST_S = 60.0
"""Allowed on top of five times what the same tests take unharmed: a mutant may loop for ever."""

_CHECK_CALL = re.compile(r"_?(check|require|verify|ensure|refuse|validate)(_|$)")
FAILED = re.compile(r"^(?:FAILED|ERROR) (?P<test>\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One check removed from one file."""

    file: str
    line: int
    check: str
    source: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests said: `killer` is the test that failed, None if none did."""

    mutant: Mutant
    killer: str | None


def _blocks(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """Every list of statements."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                yield block


def _is_check_call(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name))):
            return _CHECK_CALL.match(name) is not None
        case _:
            return False


def _weaker(test: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Every (part, test without that part) of a condition that leads to `raise`."""
    match test:
        case ast.BoolOp(op=ast.Or(), values=values):
            for i, part in enumerate(values):
                rest = [*values[:i], *values[i + 1 :]]
                yield part, rest[0] if len(rest) == 1 else ast.BoolOp(ast.Or(), rest)
                for inner, weaker in _weaker(part):
                    yield inner, ast.BoolOp(ast.Or(), [*values[:i], weaker, *values[i + 1 :]])
        case ast.UnaryOp(op=ast.Not(), operand=ast.Compare(left=left, ops=[low, high], comparators=[middle, right])):
            first, second = ast.Compare(left, [low], [middle]), ast.Compare(middle, [high], [right])
            yield first, ast.UnaryOp(ast.Not(), second)
            yield second, ast.UnaryOp(ast.Not(), first)
        case _:
            return


def _without_operands(tree: ast.Module) -> Iterator[tuple[ast.BoolOp, ast.expr]]:
    """Take each operand of each `and` and `or` out of `tree`, alone, while its (rule, operand) is looked at."""
    for rule in [node for node in ast.walk(tree) if isinstance(node, ast.BoolOp)]:
        operands = rule.values
        for i, part in enumerate(operands):
            rule.values = [*operands[:i], *operands[i + 1 :]]
            yield rule, part
        rule.values = operands


def mutants_of(file: str, source: str) -> list[Mutant]:
    """Every mutant of one file, in the order of its lines."""
    tree = ast.parse(source)
    found: list[Mutant] = []

    def note(node: ast.stmt | ast.expr, what: ast.AST) -> None:
        found.append(Mutant(file, node.lineno, ast.unparse(what), ast.unparse(ast.fix_missing_locations(tree))))

    for block in _blocks(tree):
        for i, node in enumerate(block):
            if isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise):
                block[i : i + 1] = node.orelse or [ast.Pass()]
                note(node, node.test)
                block[i : i + len(node.orelse or [0])] = [node]
                whole = node.test
                for part, node.test in _weaker(whole):
                    note(node, part)
                node.test = whole
            elif _is_check_call(node):
                block[i] = ast.Pass()
                note(node, node)
                block[i] = node
    for rule, part in _without_operands(tree) if file in RULES else ():
        note(rule, part)
    once: dict[str, Mutant] = {}
    for mutant in found:
        once.setdefault(mutant.source, mutant)
    return sorted(once.values(), key=lambda mutant: mutant.line)


def all_mutants(words: Sequence[str]) -> list[Mutant]:
    """The mutants of every listed file whose name contains one of `words`, if any are given."""
    chosen = [name for name in FILES if not words or any(word in name for word in words)]
    return [mutant for name in chosen for mutant in mutants_of(name, (PACKAGE / name).read_text(encoding="utf-8"))]


def tests_for(file: str) -> list[str]:
    """What to run for a file, in this order: the tests that bear its name, then each folder near it."""
    part = next(part for part in TESTS if Path(file).is_relative_to(part))
    near = [ROOT / name for name in TESTS[part]]
    own = [path for folder in near if folder.is_dir() for path in sorted(folder.rglob(f"test_{Path(file).stem}*.py"))]
    return [str(path.relative_to(ROOT)) for path in (*own, *near)]


class Workspace:
    """A copy of the package in which one file at a time is replaced."""

    def __init__(self, folder: Path, alone: Sequence[str] = ()) -> None:
        self._folder = folder
        self._alone = alone
        shutil.copytree(PACKAGE, folder / "monoskope", ignore=shutil.ignore_patterns("__pycache__"))

    def pytest(self, tests: Sequence[str], timeout_s: float, *options: str) -> tuple[int | None, str]:
        """Run `tests` on the copy until one fails; returns the exit code, None if it took too long, and the output."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self._folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self._folder / "hypothesis"),
            # Two that run side by side would clean up folders of each other, and one of them fail by that.
            "PYTEST_DEBUG_TEMPROOT": str(self._folder),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-x", "--tb=no", "-p", "no:cacheprovider", *options, *tests],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return None, output
        return process.returncode, output

    def run(self, tests: Sequence[str], timeout_s: float) -> str | None:
        """Run each of `tests` on the copy, one after the other: most mutants need the first alone.

        Returns the first test that failed, None if all passed.

        Raises:
            RuntimeError: pytest ran no test.
        """
        return next(filter(None, (self._run([test], timeout_s) for test in tests)), None)

    def _run(self, tests: Sequence[str], timeout_s: float) -> str | None:
        code, output = self.pytest(tests, timeout_s, "-q")
        if code is None:
            return "(did not end in time)"
        if code == 0:
            return None
        failed = FAILED.search(output)
        if code not in {1, 2} or failed is None:
            raise RuntimeError(f"pytest ended with {code}:\n{output}")
        return failed["test"]

    def tests_for(self, file: str) -> list[str]:
        """What to run for a file: the tests that were named, else those that are near it."""
        return list(self._alone) or tests_for(file)

    @contextmanager
    def harmed(self, mutant: Mutant) -> Iterator[None]:
        """Put the mutant in, and the original back."""
        target = self._folder / "monoskope" / mutant.file
        original = target.read_text(encoding="utf-8")
        target.write_text(mutant.source, encoding="utf-8")
        try:
            yield
        finally:
            target.write_text(original, encoding="utf-8")

    def try_mutant(self, mutant: Mutant, timeout_s: float) -> Verdict:
        """Return what its tests say of a mutant."""
        with self.harmed(mutant):
            return Verdict(mutant, self.run(self.tests_for(mutant.file), timeout_s))


def baselines(workspace: Workspace, files: Sequence[str]) -> dict[str, float]:
    """Seconds allowed for each file's tests. Raises `RuntimeError` if they fail on the unharmed package."""
    allowed: dict[str, float] = {}
    parts = {file.split("/", maxsplit=1)[0]: file for file in files}
    for part, file in parts.items():
        begun = time.monotonic()
        failed = workspace.run(workspace.tests_for(file), timeout_s=1_800)
        if failed is not None:
            raise RuntimeError(f"{failed} fails without any mutant: mend that first.")
        allowed[part] = SLOWEST_S + 5 * (time.monotonic() - begun)
    return {file: allowed[file.split("/", maxsplit=1)[0]] for file in files}


def hunt(mutants: Sequence[Mutant], folder: Path, alone: Sequence[str] = ()) -> Iterator[Verdict]:
    """Try every mutant, `PROCESSES` at a time; verdicts come as they fall."""
    spaces: queue.Queue[Workspace] = queue.Queue()
    for number in range(PROCESSES):
        spaces.put(Workspace(folder / str(number), alone))
    first = spaces.get()
    allowed = baselines(first, sorted({mutant.file for mutant in mutants}))
    spaces.put(first)

    def one(mutant: Mutant) -> Verdict:
        space = spaces.get()
        try:
            return space.try_mutant(mutant, allowed[mutant.file])
        finally:
            spaces.put(space)

    with ThreadPoolExecutor(PROCESSES) as pool:
        for done in as_completed([pool.submit(one, mutant) for mutant in mutants]):
            yield done.result()


def row(mutant: Mutant, end: str) -> str:
    """One line of the table."""
    return f"{mutant.file}:{mutant.line:<5} {mutant.check}  ->  {end}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="parts of file names; all files without any")
    parser.add_argument("--list", action="store_true", help="only say what would be removed")
    parser.add_argument("--tests", nargs="+", default=[], help="run these tests alone")
    chosen = parser.parse_args(arguments)
    mutants = all_mutants(chosen.words)
    if chosen.list:
        for mutant in mutants:
            print(row(mutant, "?"))
        return 0
    survivors: list[Mutant] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for count, verdict in enumerate(hunt(mutants, Path(folder), chosen.tests), start=1):
            if verdict.killer is None:
                survivors.append(verdict.mutant)
            print(f"{count}/{len(mutants)} {row(verdict.mutant, verdict.killer or 'SURVIVED')}", flush=True)
    for mutant in survivors:
        print(row(mutant, "SURVIVED: no test notices that this check is gone"), file=sys.stderr)
    print(f"{len(mutants)} checks removed, {len(survivors)} survived.")
    return 1 if survivors or not mutants else 0


if __name__ == "__main__":
    sys.exit(main())
