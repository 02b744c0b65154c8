"""Write deploy/containers/*.txt: what each image installs, with versions and hashes, chosen from requirements/dev.txt.

python tools/image_requirements.py          # write
python tools/image_requirements.py --check  # 1 and the names of those that differ
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "dev.txt"
IMAGES = {
    "m8": ("m8", "postgres", "backup", "traces"),
    "reactor": ("reactor", "vault", "age", "aws", "barbican", "kubernetes", "postgresql", "mariadb", "redis", "traces"),
}
"""The extras of each image."""

BUILD = ("hatchling",)
"""What makes the wheel, in a stage that no image keeps."""

_HEAD = "# Written by tools/image_requirements.py from requirements/dev.txt: do not edit.\n"
_LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"}


def needed(package: str, extras: Iterable[str] = ()) -> set[str]:
    """Return the canonical names of `package` and of all that it needs on Linux with `extras`."""
    found: set[str] = set()
    waiting = [(package, frozenset(extras))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        name, wanted = one
        found.add(name)
        for line in metadata.requires(name) or ():
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({**_LINUX, "extra": extra}) for extra in ("", *wanted)):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def chosen(lock: str, names: set[str]) -> str:
    """Return the parts of a lock that pin `names`, with their hashes and without comments.

    Raises:
        ValueError: the lock does not pin one of them.
    """
    parts: dict[str, str] = {}
    for part in re.split(r"^(?=[a-zA-Z0-9])", lock, flags=re.MULTILINE):
        if "==" in part:
            name = canonicalize_name(re.split(r"[=\[ ]", part, maxsplit=1)[0])
            parts[name] = "".join(f"{line}\n" for line in part.splitlines() if not line.lstrip().startswith("#"))
    missing = sorted(names - parts.keys())
    if missing:
        raise ValueError(f"{LOCK.name} pins no {', '.join(missing)}.")
    return "".join(parts[name] for name in sorted(names))


def texts() -> dict[Path, str]:
    """Return what each file must hold."""
    lock = LOCK.read_text(encoding="utf-8")
    folder = ROOT / "deploy" / "containers"
    lists = {image: needed("monoskope", extras) - {"monoskope"} for image, extras in IMAGES.items()}
    lists["build"] = {name for package in BUILD for name in needed(package)}
    return {folder / f"{image}.txt": _HEAD + chosen(lock, names) for image, names in lists.items()}


def main(arguments: list[str]) -> int:
    """Write or check, and return the exit code."""
    code = 0
    for path, text in texts().items():
        if arguments != ["--check"]:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            print(f"{path.relative_to(ROOT)} is not what requirements/dev.txt says.", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
