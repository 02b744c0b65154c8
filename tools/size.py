"""Count the code written by hand: `python tools/size.py [COMMIT]`.

For each part of the tree it prints files, lines, the median of lines a file, statements (every `ast.stmt` but
docstrings), the share of lines that are docstrings, and the files above 300 lines. Generated code is left out.
"""

import ast
import statistics
import subprocess
import sys
from pathlib import PurePath

_LONG = 300
_GENERATED = ("src/monoskope/api/", "src/monoskope/client/sync.py")
_PARTS = {
    "src": "src/monoskope/",
    "testing": "src/monoskope/testing/",
    "tools": "tools/",
    "bench": "bench/",
    "tests": "tests/",
    "console": "console/",
}
_DOCSTRING_HOLDERS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], check=True, capture_output=True).stdout


def _files(commit: str) -> list[str]:
    names = _git("ls-tree", "-r", "--name-only", commit).decode().splitlines()
    return [name for name in names if not name.startswith(_GENERATED)]


def _part_of(name: str) -> str | None:
    """Return the part that counts the file: the one with the longest matching folder."""
    found = [part for part, folder in _PARTS.items() if name.startswith(folder)]
    suffixes = (".ts", ".css", ".html") if found == ["console"] else (".py",)
    return max(found, key=lambda part: len(_PARTS[part])) if found and name.endswith(suffixes) else None


def _statements_and_docstring_lines(source: str) -> tuple[int, int]:
    statements = docstring_lines = 0
    for node in ast.walk(ast.parse(source)):
        statements += isinstance(node, ast.stmt)
        if isinstance(node, _DOCSTRING_HOLDERS) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            statements -= 1
            docstring_lines += (first.end_lineno or first.lineno) - first.lineno + 1
    return statements, docstring_lines


def _row(title: str, sizes: list[tuple[str, int, int, int]]) -> str:
    lines = [size[1] for size in sizes]
    total = sum(lines)
    share = 100 * sum(size[3] for size in sizes) / total
    long = sum(count > _LONG for count in lines)
    statements = sum(size[2] for size in sizes)
    return f"{title:22}{len(sizes):7}{total:9}{statistics.median(lines):8.1f}{statements:12}{share:10.1f}%{long:8}"


def main() -> None:
    """Print the table for a commit, HEAD unless one is named."""
    commit = sys.argv[1] if len(sys.argv) > 1 else "HEAD"
    parts: dict[str, list[tuple[str, int, int, int]]] = {part: [] for part in _PARTS}
    packages: dict[str, list[tuple[str, int, int, int]]] = {}
    for name in _files(commit):
        part = _part_of(name)
        if part is None:
            continue
        source = _git("show", f"{commit}:{name}").decode()
        python = name.endswith(".py")
        size = (name, source.count("\n"), *(_statements_and_docstring_lines(source) if python else (0, 0)))
        parts[part].append(size)
        if part == "src":
            below = PurePath(name).relative_to("src/monoskope").parts
            packages.setdefault(below[0] if len(below) > 1 else "(top)", []).append(size)
    print(f"{'':22}{'files':>7}{'lines':>9}{'median':>8}{'statements':>12}{'docstrings':>11}{'> 300':>8}")
    for part, sizes in parts.items():
        print(_row(part, sizes))
    for package, sizes in sorted(packages.items()):
        print(_row(f"  src/{package}", sizes))


if __name__ == "__main__":
    main()
