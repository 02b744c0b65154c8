"""The API's page says what proto/ says: calls, fields, rules, comments, the same each time."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tools import api_reference, generate

SAMPLE = """// What there is to ask.
syntax = "proto3";
package monoskope.api.sample.v1;
import "buf/validate/validate.proto";
// Answers.
service SampleService {
  // Ask | again.
  rpc Ask(stream AskRequest) returns (AskResponse);
}
// A question.
message AskRequest {
  // Whom to ask.
  string name = 1 [(buf.validate.field).string = {min_len: 1, max_len: 5}];
  oneof how {
    // Loudly.
    repeated_ loud = 4;
  }
  // Kinds,
  // in order.
  repeated Kind kinds = 7 [(buf.validate.field).repeated.items.enum.defined_only = true];
}
// An answer.
message AskResponse {}
// Nothing.
message repeated_ {}
// A kind.
enum Kind {
  // None.
  KIND_UNSPECIFIED = 0;
}
"""


@pytest.fixture
def page(tmp_path: Path) -> str:
    folder = tmp_path / "proto"
    shutil.copytree(generate.PROTO / "buf", folder / "buf")
    sample = folder / "monoskope" / "api" / "sample" / "v1"
    sample.mkdir(parents=True)
    (sample / "sample.proto").write_text(SAMPLE, encoding="utf-8")
    return api_reference.render(folder, "")


@pytest.mark.parametrize(
    "line",
    [
        "Package `monoskope.api.sample.v1`. What there is to ask.",
        "| `Ask` | stream of [AskRequest](#askrequest) | [AskResponse](#askresponse) | Ask \\| again. |",
        "| 1 | `name` | string | `min_len: 1`, `max_len: 5` | Whom to ask. |",
        "| 4 | `loud` | [repeated_](#repeated_) | | One of `how`. Loudly. |",
        "| 7 | `kinds` | repeated [Kind](#kind) | `items.enum.defined_only: true` | Kinds, in order. |",
        "| 0 | `KIND_UNSPECIFIED` | None. |",
    ],
)
def test_a_declaration_is_a_row_with_its_rule_and_comment(page: str, line: str) -> None:
    assert line in page.splitlines()


def test_what_is_vendored_is_not_our_api(page: str) -> None:
    assert "validate.proto" not in page


def test_the_whole_api_is_there_and_every_name_leads_somewhere() -> None:
    page = api_reference.render(generate.PROTO, "")
    headings = re.findall(r"^### (?:service )?(\w+)$", page, re.MULTILINE)
    assert {"SecretCommandService", "UploadRequest", "Reason", "Event"} <= set(headings)
    assert len(headings) == len(set(headings)), "two declarations of one name would share an anchor"
    assert set(re.findall(r"\(#(\w+)\)", page)) <= {heading.lower() for heading in headings}
    assert page == api_reference.render(generate.PROTO, "")
