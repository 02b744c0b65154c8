"""The generator: code where it belongs, differences found, breaking changes refused."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import protovalidate
import pytest
from packaging.requirements import Requirement

from monoskope.api.buf.validate import validate_pb2
from monoskope.api.gateway.v1 import commands_pb2
from tools import generate

SAMPLE = """syntax = "proto3";
package monoskope.api.sample.v1;
import "buf/validate/validate.proto";
message AskRequest { string name = 1 [(buf.validate.field).string.min_len = 1]; }
message AskResponse {}
"""
SERVICE = """syntax = "proto3";
package monoskope.api.sample.v1;
import "monoskope/api/sample/v1/sample.proto";
service SampleService { rpc Ask(AskRequest) returns (AskResponse); }
"""


@pytest.fixture
def proto(tmp_path: Path) -> Path:
    folder = tmp_path / "proto"
    shutil.copytree(generate.PROTO / "buf", folder / "buf")
    sample = folder / "monoskope" / "api" / "sample" / "v1"
    sample.mkdir(parents=True)
    (sample / "sample.proto").write_text(SAMPLE, encoding="utf-8")
    (sample / "service.proto").write_text(SERVICE, encoding="utf-8")
    return folder


@pytest.fixture
def generated(proto: Path, tmp_path: Path) -> Path:
    out = tmp_path / "api"
    generate.write(proto, out)
    return out


def test_everything_lands_below_the_one_package(generated: Path) -> None:
    assert set(generate.contents(generated)) == {
        "__init__.py",
        "buf/__init__.py",
        "buf/validate/__init__.py",
        "buf/validate/validate_pb2.py",
        "buf/validate/validate_pb2.pyi",
        "sample/__init__.py",
        "sample/v1/__init__.py",
        "sample/v1/sample_pb2.py",
        "sample/v1/sample_pb2.pyi",
        "sample/v1/service_pb2.py",
        "sample/v1/service_pb2.pyi",
    }


def test_no_generated_module_imports_a_top_level_buf(generated: Path) -> None:
    for name, content in generate.contents(generated).items():
        assert not re.search(rb"^(from|import) buf\b", content, re.MULTILINE), name


def test_our_modules_load_no_rules_and_keep_them_in_their_descriptors(generated: Path) -> None:
    made = (generated / "sample/v1/sample_pb2.py").read_bytes()
    assert b"validate" not in made.replace(b"_validate", b"")
    assert b"\\272H" in made  # field 1,159 of a field's options: buf.validate.field


def test_nothing_differs_right_after_writing(proto: Path, generated: Path) -> None:
    assert generate.differing(proto, generated) == []


def test_changed_missing_and_stale_files_differ(proto: Path, generated: Path) -> None:
    (generated / "sample/v1/sample_pb2.py").write_text("# edited by hand\n", encoding="utf-8")
    (generated / "sample/v1/service_pb2.pyi").unlink()
    (generated / "sample/v1/gone_pb2.py").write_text("", encoding="utf-8")
    assert generate.differing(proto, generated) == [
        "sample/v1/gone_pb2.py",
        "sample/v1/sample_pb2.py",
        "sample/v1/service_pb2.pyi",
    ]


def test_what_is_not_valid_leaves_the_code_as_it_was(proto: Path, generated: Path) -> None:
    before = generate.contents(generated)
    (proto / "monoskope/api/sample/v1/sample.proto").write_text("this is no proto", encoding="utf-8")
    with pytest.raises(generate.GenerationError):
        generate.write(proto, generated)
    assert generate.contents(generated) == before


def test_the_committed_messages_are_validated_by_protovalidate() -> None:
    broken = protovalidate.collect_violations(commands_pb2.CreateSecretStoreRequest(name="Not A Name"))
    assert any("name" in str(violation.proto.field) for violation in broken)
    assert validate_pb2.DESCRIPTOR.name == "buf/validate/validate.proto"


_REFUSES = """
import sys
from monoskope.api.gateway.v1 import commands_pb2
assert not any("validate" in name for name in sys.modules)
message = commands_pb2.CreateSecretStoreRequest(name="Not A Name")
message.SerializeToString()
from monoskope.m8.service.calls import validate
try:
    validate(message)
except Exception as error:
    print(type(error).__name__)
"""


def test_m8_applies_the_rules_in_a_process_that_had_messages_before_them() -> None:
    done = subprocess.run([sys.executable, "-c", _REFUSES], capture_output=True, check=True)
    assert done.stdout.strip() == b"UsageError"


def test_without_the_c_library_the_classes_are_protobufs_own() -> None:
    code = "from monoskope.api.gateway.v1 import queries_pb2 as q; print(q.GetServerRequest().SerializeToString())"
    environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout.strip() == b"b''"


def _at_least(name: str) -> str:
    table = tomllib.loads((generate.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {found.name: found for found in map(Requirement, table["project"]["dependencies"])}
    return next(part.version for part in wanted[name].specifier if part.operator == ">=")


def test_the_package_asks_for_runtimes_that_its_generated_code_accepts() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in generate.API.rglob("*.py"))
    assert set(re.findall(r"^# Protobuf Python Version: (\S+)$", code, re.MULTILINE)) == {_at_least("protobuf")}


def test_only_additive_changes_get_into_the_image(
    tmp_path: Path, proto: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(generate.ROOT / "buf.yaml", tmp_path)
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "IMAGE", proto / "image.binpb")
    sample = proto / "monoskope/api/sample/v1/sample.proto"
    generate.update_image()
    assert generate.image_is_current()

    sample.write_text(SAMPLE.replace("message AskResponse {}", "message AskResponse { string answer = 1; }"))
    assert not generate.image_is_current()
    generate.update_image()
    assert generate.image_is_current()

    sample.write_text(SAMPLE)
    with pytest.raises(generate.GenerationError):
        generate.update_image()
    assert "answer" in capfd.readouterr().out
    assert not generate.image_is_current()
