"""Generate the messages of the TypeScript client from `proto`, or check that what is committed is what would be generated.

    python tools/typescript_messages.py            write clients/typescript/src/messages
    python tools/typescript_messages.py --check    compare with what is committed; 1 on a difference, with the fix

protoc-gen-es gets what protoc parsed, without the rules of `buf.validate`, which m8 alone applies, and without
services: so the client has no 5,000 lines of rules in it. It takes Node and the packages of the client, and no network.
Without them `--check` says so and compares nothing, except in CI, where it fails.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.generate import PROTO, ROOT, compile_protos

CLIENT = ROOT / "clients" / "typescript"
MESSAGES = CLIENT / "src" / "messages"
PLUGIN = CLIENT / "node_modules" / "@bufbuild" / "protoc-gen-es" / "bin" / "protoc-gen-es"
FIX = "Run `make ts` and commit the result."

_ROOTS = ("monoskope/api/gateway/v1/commands.proto", "monoskope/api/gateway/v1/queries.proto")
"""The calls of a put. All that they need comes with them."""
_RULES = "buf/validate/validate.proto"


class NoNodeError(Exception):
    """There is nothing here that could generate."""


def described() -> list[FileDescriptorProto]:
    """Return the files of the calls and all that they need, with their comments and without rules and services."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "files.binpb"
        options = [f"--descriptor_set_out={target}", "--include_imports", "--include_source_info"]
        compile_protos(PROTO, options, _ROOTS)
        files = FileDescriptorSet.FromString(target.read_bytes()).file
    kept = [one for one in files if one.name.startswith("monoskope/")]
    for one in kept:
        _strip(one)
    return kept


def _strip(file: FileDescriptorProto) -> None:
    file.ClearField("service")
    dependencies = [name for name in file.dependency if name.startswith("monoskope/")]
    del file.dependency[:]
    file.dependency.extend(dependencies)
    for message in file.message_type:
        _strip_message(message)


def _strip_message(message: DescriptorProto) -> None:
    message.ClearField("options")
    for field in message.field:
        field.ClearField("options")
    for nested in message.nested_type:
        _strip_message(nested)


def generated() -> dict[str, str]:
    """Return each file of the client's messages by its path below `src/messages`.

    Raises:
        NoNodeError: there is no Node, or the client's packages are not installed.
    """
    node = shutil.which("node")
    if node is None:
        raise NoNodeError("there is no Node here (20 or newer; on Debian: apt install nodejs npm).")
    if not PLUGIN.exists():
        raise NoNodeError("the packages of the client are not installed: run `npm ci` in clients/typescript/.")
    files = described()
    request = CodeGeneratorRequest(
        file_to_generate=[one.name for one in files],
        parameter="target=ts,import_extension=ts,json_types=false",
        proto_file=files,
    )
    done = subprocess.run([node, str(PLUGIN)], input=request.SerializeToString(), capture_output=True, check=True)
    answer = CodeGeneratorResponse.FromString(done.stdout)
    if answer.error:
        raise SystemExit(f"protoc-gen-es refused: {answer.error}")
    return {one.name.removeprefix("monoskope/api/"): one.content for one in answer.file}


def committed() -> dict[str, str]:
    """Return what is there, as `generated` does."""
    return {path.relative_to(MESSAGES).as_posix(): path.read_text("utf-8") for path in MESSAGES.rglob("*.ts")}


def write(files: Mapping[str, str]) -> None:
    """Write the files in the place of all that is there."""
    shutil.rmtree(MESSAGES, ignore_errors=True)
    for name, content in files.items():
        path = MESSAGES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def check() -> list[str]:
    """Return what is wrong. Raises `NoNodeError` in CI alone."""
    try:
        made = generated()
    except NoNodeError as error:
        if os.environ.get("CI") == "true":
            return [f"nobody compared the messages with proto/: {error}"]
        print(f"Not compared with proto/: {error} Only whoever changes the TypeScript client needs it.")
        return []
    there = committed()
    return [
        f"src/messages/{name} is not what proto/ gives. {FIX}"
        for name in sorted({*made, *there})
        if made.get(name) != there.get(name)
    ]


def main(words: Sequence[str] | None = None) -> int:
    """Generate or check; 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with what is committed and change nothing")
    if parser.parse_args(words).check:
        found = check()
        print("\n".join(f"clients/typescript: {problem}" for problem in found) or "The messages are what proto/ gives.")
        return 1 if found else 0
    try:
        write(generated())
    except NoNodeError as error:
        print(f"clients/typescript: {error}")
        return 1
    print(f"Generated {MESSAGES.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
