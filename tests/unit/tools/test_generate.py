"""The generator: code and openapi.json as the protocol has them, differences found, breaking changes refused."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import openapi_spec_validator
import protovalidate
import pytest
from google.protobuf import json_format
from packaging.requirements import Requirement

from monoskope.api.buf.validate import validate_pb2
from monoskope.api.gateway.v1 import access_pb2, changes_pb2, commands_pb2, log_pb2, queries_pb2, reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from tools import generate, json_schemas, openapi
from tools.api_reference import described

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
from monoskope.m8.service.call_notes import validate
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


SERVICES = [
    commands_pb2.DESCRIPTOR.services_by_name["SecretCommandService"],
    queries_pb2.DESCRIPTOR.services_by_name["SecretQueryService"],
    access_pb2.DESCRIPTOR.services_by_name["AccessService"],
    log_pb2.DESCRIPTOR.services_by_name["LogService"],
    changes_pb2.DESCRIPTOR.services_by_name["SecretChangeService"],
]
BUNDLE = "/.well-known/monoskope"
LOG_PATHS = {"/checkpoint", "/tile/{level}/{place}", "/tile/entries/{place}"}
"""The log in pieces. A place may have slashes, which OpenAPI cannot say of a parameter of a path."""
URI, KEY_ID = "vault://team-a/db", "0" * 16
DESCRIBED = """// What there is to ask.
syntax = "proto3";
package monoskope.api.sample.v1;
import "buf/validate/validate.proto";
// Asks.
message AskRequest {
  // See `the_name`.
  string the_name = 1 [(buf.validate.field).string = {prefix: "m8"}];
  // How.
  oneof how {
    // Loudly.
    bool loud = 4;
    // Slowly.
    uint64 slow_ms = 5;
  }
}
"""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document(generate.PROTO)


def validator(document: dict[str, Any], message: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{message}", "components": document["components"]}
    )


def test_it_is_valid_by_the_specification(document: dict[str, Any]) -> None:
    openapi_spec_validator.validate(document)
    assert openapi.render(generate.PROTO) == openapi.render(generate.PROTO)


def test_it_has_every_call_but_the_session_of_reactors(document: dict[str, Any]) -> None:
    calls = {f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods}
    assert document["paths"].keys() == calls | {"/healthz", "/readyz", "/metrics", "/oauth2/token", BUNDLE} | LOG_PATHS
    attach = reactor_pb2.DESCRIPTOR.services_by_name["ReactorService"].methods_by_name["Attach"]
    assert f"ReactorService.{attach.name}" in document["info"]["description"]


def test_only_health_and_the_exchange_need_no_token(document: dict[str, Any]) -> None:
    assert document["security"] == [{"token": []}]
    free = {path for path, item in document["paths"].items() for one in item.values() if one.get("security") == []}
    exchange = {"/oauth2/token", "/monoskope.api.gateway.v1.AccessService/ExchangeToken"}
    assert free == exchange | {"/healthz", "/readyz", BUNDLE}


def test_the_stream_says_how_it_is_framed(document: dict[str, Any]) -> None:
    watch = document["paths"]["/monoskope.api.gateway.v1.SecretQueryService/WatchEvents"]["post"]
    assert watch["requestBody"]["content"].keys() == {"application/connect+json", "application/connect+proto"}
    assert "five" not in watch["description"]
    assert "four bytes with the length" in watch["description"]


def test_every_name_in_a_description_is_as_json_has_it(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        for field in schema.get("properties", {}).values():
            assert not re.search(r"`[a-z]+_[a-z_]+`", field.get("description", ""))


REQUESTS = [
    queries_pb2.GetSecretRequest(uri=URI),
    queries_pb2.GetSecretRequest(),
    queries_pb2.GetSecretRequest(uri="x" * 513),
    queries_pb2.ListSecretsRequest(page_size=1000, state=views_pb2.SECRET_STATE_DRIFTED),
    queries_pb2.ListSecretsRequest(page_size=1001),
    queries_pb2.ListSecretsRequest(labels=[{"name": "a", "value": "b"}] * 17),
    queries_pb2.ListEventsRequest(since_ms=2**62, request_id=bytes(16)),
    queries_pb2.ListEventsRequest(since_ms=-1),
    queries_pb2.ListEventsRequest(request_id=bytes(20)),
    queries_pb2.GetSecretUploadRequest(request_id=bytes(16)),
    queries_pb2.GetSecretUploadRequest(request_id=bytes(19)),
    queries_pb2.WatchEventsRequest(after=2**64 - 1),
    commands_pb2.RequestUploadSecretRequest(request_id=bytes(16)),
    commands_pb2.RequestUploadSecretRequest(request_id=bytes(16), encapsulated_key=bytes(1120), ciphertext=bytes(528)),
    commands_pb2.RequestUploadSecretRequest(request_id=bytes(16), encapsulated_key=bytes(1100)),
    commands_pb2.RequestUploadSecretRequest(request_id=bytes(16), ciphertext=bytes(1_048_592)),
    commands_pb2.RequestUploadSecretRequest(request_id=bytes(16), ciphertext=bytes(1_048_600)),
    commands_pb2.CreateSecretStoreRequest(name="vault", type="vault", identity="SHA256:" + "A" * 43),
    commands_pb2.CreateSecretStoreRequest(name="Vault", type="vault", identity="SHA256:" + "A" * 43),
    commands_pb2.FinishFingerprintKeyRotationRequest(key_id=KEY_ID, force=True),
    commands_pb2.FinishFingerprintKeyRotationRequest(force=True),
    commands_pb2.UpdateSecretNotesRequest(uri=URI, edit=events_pb2.NotesEdit(expires_on="2027-01-01")),
    commands_pb2.UpdateSecretNotesRequest(uri=URI),
]


@pytest.mark.parametrize("number", range(len(REQUESTS)))
def test_a_request_fits_its_schema_if_m8_takes_it(document: dict[str, Any], number: int) -> None:
    request = REQUESTS[number]
    try:
        protovalidate.validate(request)
        taken = True
    except protovalidate.ValidationError:
        taken = False
    content = json_format.MessageToDict(request)

    assert validator(document, request.DESCRIPTOR.name).is_valid(content) == taken


def test_a_request_has_no_other_field_and_an_answer_may_get_more(document: dict[str, Any]) -> None:
    assert not validator(document, "GetSecretRequest").is_valid({"uri": URI, "url": URI})
    assert validator(document, "GetSecretResponse").is_valid({"secret": {"uri": URI, "new": 1}, "more": 2})


def test_an_answer_fits_its_schema(document: dict[str, Any]) -> None:
    signed = upload_pb2.Signed(content=b"c", signature=bytes(64), identity_key=bytes(32))
    upload = views_pb2.SecretUpload(
        request_id=bytes(16),
        uri=URI,
        state=views_pb2.UPLOAD_STATE_ENDED,
        requested_at_ms=2**62,
        version=3,
        receipt=signed,
    )
    content = json_format.MessageToDict(queries_pb2.GetSecretUploadResponse(upload=upload))

    validator(document, "GetSecretUploadResponse").validate(content)
    assert not validator(document, "GetSecretUploadResponse").is_valid({"upload": {"version": 3}})


@pytest.mark.parametrize("size", range(40))
def test_base64_is_as_long_as_the_rule_says(size: int) -> None:
    limits = json_schemas._length("len", size, encoded=True)
    padded = base64.b64encode(bytes(size)).decode()
    assert (len(padded.rstrip("=")), len(padded)) == (limits["minLength"], limits["maxLength"])


def test_what_has_no_keyword_is_described_and_one_choice_excludes_the_other(tmp_path: Path) -> None:
    folder = tmp_path / "proto"
    shutil.copytree(generate.PROTO / "buf", folder / "buf")
    (folder / "sample.proto").write_text(DESCRIBED, encoding="utf-8")

    found = json_schemas.schemas(described(folder), [".monoskope.api.sample.v1.AskRequest"], [])["AskRequest"]

    assert found["properties"]["theName"]["description"] == "See `theName`. Rule: prefix: m8."
    asked = jsonschema.Draft202012Validator(found)
    assert asked.is_valid({"loud": True})
    assert not asked.is_valid({"loud": True, "slowMs": "5"})
