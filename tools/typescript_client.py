"""Generate the messages of the TypeScript client from `proto` and build it, or check it.

    python tools/typescript_client.py            write clients/typescript/src/messages, and build its dist
    python tools/typescript_client.py --check    compare the messages, check types and what package.json pins

protoc-gen-es gets what protoc parsed, without the rules of `buf.validate`, which m8 alone applies, and without
services: so the client has no 5,000 lines of rules in it. It takes Node and the packages of the client, and no network.
Without them `--check` says so and checks the rest, except in CI, where it fails.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.console_bundle import NoNodeError, not_compared
from tools.generate import PROTO, ROOT, compile_protos

CLIENT = ROOT / "clients" / "typescript"
MESSAGES = CLIENT / "src" / "messages"
PLUGIN = CLIENT / "node_modules" / "@bufbuild" / "protoc-gen-es" / "bin" / "protoc-gen-es"
FIX = "Run `make ts` and commit the result."

_ROOTS = ("monoskope/api/gateway/v1/commands.proto", "monoskope/api/gateway/v1/queries.proto")
"""The calls of a put. All that they need comes with them."""
RUNTIME = ("@bufbuild/protobuf", "@panva/hpke-noble", "hpke")
"""All that the client needs at run time."""
_INSTALL_SCRIPTS = ("preinstall", "install", "postinstall", "prepare")
"""What npm runs where the client is installed, or fetched with git."""
_EXACT = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")


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


def problems_of(package: Mapping[str, Any], lock: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with what the client pins.

    Args:
        package: Its package.json.
        lock: Its package-lock.json.
    """
    pinned = {**package["dependencies"], **package["devDependencies"]}
    found = [f"{name} is not pinned to one version." for name, one in pinned.items() if not _EXACT.fullmatch(one)]
    if sorted(package["dependencies"]) != list(RUNTIME):
        found.append(f"the client needs something else at run time than {', '.join(RUNTIME)}.")
    found += [f"the client has the install script {name}." for name in _INSTALL_SCRIPTS if name in package["scripts"]]
    for path, one in lock["packages"].items():
        if one.get("hasInstallScript") and not one.get("dev"):
            found.append(f"{path} runs a script when it is installed.")
        if path and "integrity" not in one:
            found.append(f"{path} has no hash in package-lock.json.")
        if "resolved" in one:
            found.append(f"{path} names a registry: run `npm install` there, whose .npmrc leaves it out.")
    return found


def check() -> tuple[list[str], str]:
    """Return what is wrong, and a note if the messages were not compared."""
    package, lock = (json.loads((CLIENT / f"package{end}.json").read_text("utf-8")) for end in ("", "-lock"))
    found = problems_of(package, lock)
    try:
        made = generated()
        _npm("check")
    except NoNodeError as error:
        problems, note = not_compared("proto/", error)
        return found + problems, note
    there = committed()
    differing = [name for name in sorted({*made, *there}) if made.get(name) != there.get(name)]
    return found + [f"src/messages/{name} is not what proto/ gives. {FIX}" for name in differing], ""


def _npm(script: str) -> None:
    """Run a script of package.json. Raises `CalledProcessError` after its output was shown."""
    if shutil.which("npm") is None:
        raise NoNodeError("there is no npm here (on Debian: apt install npm).")
    subprocess.run(["npm", "run", "--silent", script], cwd=CLIENT, check=True)


def main(words: Sequence[str] | None = None) -> int:
    """Generate and build, or check; 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with what is committed and change nothing")
    try:
        if parser.parse_args(words).check:
            found, note = check()
            said = "\n".join(f"clients/typescript: {problem}" for problem in found)
            print(said or note or "The client is what proto/ gives.")
            return 1 if found else 0
        write(generated())
        _npm("build")
    except NoNodeError as error:
        print(f"clients/typescript: {error}")
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    print(f"Generated {MESSAGES.relative_to(ROOT)} and built {(CLIENT / 'dist').relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
