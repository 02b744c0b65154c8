"""Generate `src/monoskope/api` from `proto`, or check that what is committed is what would be generated.

    python tools/generate.py            write src/monoskope/api
    python tools/generate.py --check    compare with what is committed; 1 on a difference, with the fix
    python tools/generate.py --image    accept additive changes into proto/image.binpb, the base of `buf breaking`

Everything needed is in the locked development requirements: no network, no compiler of the system.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import grpc_tools
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
API = ROOT / "src" / "monoskope" / "api"
IMAGE = PROTO / "image.binpb"
SCRIPTS = Path(sys.executable).parent
FIX = "Run `make generate` and commit the result."

# The vendored buf/validate/validate.proto keeps its own name inside descriptors, so that protovalidate knows its
# options. As a Python module it must not claim the top-level name `buf` in anybody's site-packages: it lives below
# monoskope.api.
_VENDORED_IMPORT = re.compile(r"^(from|import) buf\.validate\b", re.MULTILINE)
_VENDORED = "buf/validate/validate.proto"

# What our own modules are made with in the place of protobuf's builder: `monoskope.message_classes` says why.
_QUICKER = (
    (
        re.compile(r"^from google\.protobuf\.internal import builder\b", re.MULTILINE),
        "from monoskope import message_classes",
    ),
    (re.compile(r"^from google\.protobuf import (descriptor_pool|symbol_database) as .*\n", re.MULTILINE), ""),
    (re.compile(r"^_sym_db = .*\n", re.MULTILINE), ""),
    (re.compile(r"_descriptor_pool\.Default\(\)"), "_builder.POOL"),
)


class GenerationError(Exception):
    """protoc or buf refused; its own message is on stderr already."""


def proto_files(proto: Path) -> list[str]:
    """Every .proto below `proto`, as protoc wants it named: relative, sorted."""
    return sorted(path.relative_to(proto).as_posix() for path in proto.rglob("*.proto"))


def compile_protos(proto: Path, options: Sequence[str], files: Sequence[str]) -> None:
    """Run the protoc inside grpcio-tools. Raises `GenerationError`."""
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    if protoc.main(["protoc", f"-I{proto}", f"-I{well_known}", *options, *files]) != 0:
        raise GenerationError("protoc refused the .proto files.")


def generate(proto: Path, out: Path) -> None:
    """Write the whole package `monoskope.api` for the files below `proto` into the empty folder `out`.

    Raises:
        GenerationError: a file is not valid.
    """
    files = proto_files(proto)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        raw = scratch / "raw"
        raw.mkdir()
        compile_protos(proto, [f"--python_out={raw}", f"--pyi_out={raw}"], files)
        _without_rules(proto, [file for file in files if file != _VENDORED], scratch, raw)
        _place(raw, out)
    _add_packages(out)


def _without_rules(proto: Path, files: Sequence[str], scratch: Path, raw: Path) -> None:
    """Write the modules of `files` again, which then import no rules' own module: protovalidate has one, in m8 alone.

    The rules themselves stay in the descriptors, as options of fields.
    """
    described = scratch / "described.binpb"
    compile_protos(proto, ["--include_imports", f"--descriptor_set_out={described}"], files)
    found = FileDescriptorSet.FromString(described.read_bytes())
    for file in found.file:
        file.dependency[:] = [name for name in file.dependency if name != _VENDORED]
    described.write_bytes(found.SerializeToString())
    if protoc.main(["protoc", f"--descriptor_set_in={described}", f"--python_out={raw}", *files]) != 0:
        raise GenerationError("protoc refused the files without their rules.")
    for name in files:
        module = raw / f"{name.removesuffix('.proto')}_pb2.py"
        text = module.read_text(encoding="utf-8")
        for pattern, quicker in _QUICKER:
            text = pattern.sub(quicker, text)
        module.write_text(text, encoding="utf-8")


def _place(raw: Path, out: Path) -> None:
    """Move protoc's output to where its package lives, imports of the vendored module corrected."""
    for path in sorted(raw.rglob("*.py*")):
        relative = path.relative_to(raw)
        inside = relative.relative_to("monoskope/api") if relative.parts[0] == "monoskope" else relative
        target = out / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        target.write_text(_VENDORED_IMPORT.sub(r"\1 monoskope.api.buf.validate", text), encoding="utf-8")


def _add_packages(out: Path) -> None:
    """Give each folder an `__init__.py` that says where its files come from."""
    folders = [out, *(path for path in out.rglob("*") if path.is_dir())]
    for folder in folders:
        source = folder.relative_to(out).as_posix().removeprefix(".")
        below = f"proto/{source}" if source.startswith("buf") else f"proto/monoskope/api/{source}".rstrip("/")
        text = f'"""Generated by tools/generate.py from {below}: not edited by hand."""\n'
        (folder / "__init__.py").write_text(text, encoding="utf-8")


def contents(folder: Path) -> dict[str, bytes]:
    """Relative name to bytes of every module and stub below `folder`."""
    found = [path for suffix in ("py", "pyi") for path in folder.rglob(f"*.{suffix}")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def differing(proto: Path, committed: Path) -> list[str]:
    """Names below `committed` that are missing, stale or different from what `proto` generates."""
    with tempfile.TemporaryDirectory() as name:
        fresh_folder = Path(name) / "api"
        fresh_folder.mkdir()
        generate(proto, fresh_folder)
        fresh = contents(fresh_folder)
    there = contents(committed)
    return sorted(name for name in fresh.keys() | there.keys() if fresh.get(name) != there.get(name))


def write(proto: Path, out: Path) -> None:
    """Replace the folder `out` by freshly generated code; nothing of it is touched if generation fails."""
    with tempfile.TemporaryDirectory(dir=out.parent) as name:
        fresh = Path(name) / "api"
        fresh.mkdir()
        generate(proto, fresh)
        if out.exists():
            shutil.rmtree(out)
        fresh.rename(out)


def _buf(*arguments: str) -> None:
    command = [str(SCRIPTS / "buf"), *arguments]
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        raise GenerationError(f"buf {arguments[0]} refused.")


def build_image(target: Path) -> None:
    """Compile `proto` into buf's image format, without comments, so that wording never counts as a change."""
    _buf("build", "--exclude-source-info", "--output", str(target))


def update_image() -> None:
    """Accept the present files as what future ones are compared with, unless they break the present image."""
    if IMAGE.exists():
        _buf("breaking", "--against", str(IMAGE))
    build_image(IMAGE)


def image_is_current() -> bool:
    """Whether the committed image describes the present files: only then is every field of them protected."""
    with tempfile.TemporaryDirectory() as name:
        fresh = Path(name) / "image.binpb"
        build_image(fresh)
        return IMAGE.exists() and IMAGE.read_bytes() == fresh.read_bytes()


def check() -> int:
    """Compare code and image with what is committed; say what differs and how to mend it."""
    names = differing(PROTO, API)
    for name in names:
        print(f"differs from proto/: src/monoskope/api/{name}", file=sys.stderr)
    if names:
        print(FIX, file=sys.stderr)
        return 1
    if not image_is_current():
        print("proto/image.binpb does not describe the files in proto/.", file=sys.stderr)
        print(FIX, file=sys.stderr)
        return 1
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    either.add_argument("--image", action="store_true", help="update proto/image.binpb; only additive changes pass")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.check:
            return check()
        if chosen.image:
            update_image()
        else:
            write(PROTO, API)
    except GenerationError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
