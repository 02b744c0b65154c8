"""Each purpose and each event stands in its table and where its work is done, and nowhere else (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from monoskope import failpoints
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.events import EVENTS
from monoskope.protocol.purposes import OWN_FIELDS, PURPOSES

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "monoskope"
PURPOSE_NAMES = set(upload_pb2.Purpose.keys()) - {"PURPOSE_UNSPECIFIED"}
EVENT_NAMES = set(EVENTS)
TABLES = ("protocol/purposes.py", "protocol/events.py")

PURPOSE_WORDS = {name.removeprefix("PURPOSE_") for name in PURPOSE_NAMES}
HTTP_METHODS = {"DELETE", "PATCH"}
"""In the stores, and in engines made for tests, these words are no purposes."""
SQL = {"ROLLBACK"}
"""In the event log this word is no purpose."""

PURPOSES_IN = {
    "client/changes/proposal.py": "makes a proposal of what a purpose asks for, one constructor each",
    "client/made.py": "tells what a reactor made, and what copies brought, from all else",
    "client/rotation/hands.py": "takes the steps of a rotation",
    "client/walk/results.py": "says what is not known of an end without proof, one row a purpose",
    "client/walk/reasons.py": "where a reason means something else to the user",
    "m8/background/schedules.py": "sends requests to verify",
    "protocol/open_receipt.py": "what a copy puts at its destination",
    "reactor/admission.py": "what the engine must be able to do",
    "reactor/work/handle.py": "leads to the file that does the work",
    "reactor/work/lookup.py": "how the end of a write is found out",
    "reactor/work/without_writing.py": "leads to the work of what only looks",
    "reactor/work/write.py": "what the driver is told",
}
EVENTS_IN = {
    "client/leaving.py": "finds the keys with which somebody signed",
    "client/rotation/hands.py": "waits for what is being written",
    "failpoints.py": "stands below the protocol, so it has a list of its own",
    "m8/backup/form.py": "finds the sealed bytes that events name",
    "m8/cli/signatures.py": "lists what stores did, with its signatures",
    "m8/domain/append.py": "decides on what reactors append",
    "m8/domain/deadlines.py": "ends requests whose time is over",
    "m8/domain/upload.py": "decides on what users append, and keeps what events say",
    "m8/queries/witnessed.py": "finds what was asked and its signature, for a proof",
    "m8/domain/events.py": "learns the secret from a request's first event, and says what each says, for people",
    "m8/readmodels/uploads.py": "counts sealed bytes",
    "m8/service/session.py": "delivers the sealed bytes",
    "protocol/tlog/upload_proof.py": "takes m8's word for a reason that no receipt gives",
    "reactor/grant.py": "appends grants, or says why there is none",
    "reactor/link/open_requests.py": "keeps what events say",
}
RECEIPT_EVENTS_IN = {"failpoints.py", "reactor/link/open_requests.py"}
"""An event of the end that holds a receipt alone needs no code of its own; a reactor learns from two of them."""


def names_in(path: Path) -> frozenset[str]:
    """The purposes and events that a file names, as code or as text."""
    return words_in(path) & (PURPOSE_NAMES | EVENT_NAMES)


@cache
def words_in(path: Path) -> frozenset[str]:
    """All words of a file, as code or as text."""
    return frozenset(re.findall(r"\w+", path.read_text(encoding="utf-8")))


@cache
def sources() -> list[tuple[str, Path]]:
    files = ((path.relative_to(PACKAGE).as_posix(), path) for path in sorted(PACKAGE.rglob("*.py")))
    return [(name, path) for name, path in files if not name.startswith("api/") and name not in TABLES]


def test_a_purpose_is_named_where_its_work_is_done_alone() -> None:
    named = {name for name, path in sources() if names_in(path) & PURPOSE_NAMES}
    # Each purpose has one file there, which a test below counts.
    assert {name for name in named if not name.startswith("client/purposes/")} == PURPOSES_IN.keys()


def test_no_purpose_is_known_by_its_bare_name() -> None:
    found: list[str] = []
    for name, path in sources():
        words = PURPOSE_WORDS - HTTP_METHODS if name.startswith(("stores/", "testing/", "http/")) else PURPOSE_WORDS
        words = words - SQL if name.startswith("m8/log/") else words
        if not words & words_in(path):
            continue  # nothing to take apart
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        found += [f"{name}: {node.value!r}" for node in nodes if isinstance(node, ast.Constant) and node.value in words]
    assert found == []


def test_an_event_is_named_where_its_work_is_done_alone() -> None:
    named = {name for name, path in sources() if names_in(path) & EVENT_NAMES}
    assert named == EVENTS_IN.keys()
    receipts_alone = {
        name
        for name, kind in EVENTS.items()
        if [field.name for field in kind.DESCRIPTOR.fields] == ["receipt"] and name != "SecretUploadStarted"
    }
    holding = {name for name, path in sources() if names_in(path) & receipts_alone}
    assert holding == RECEIPT_EVENTS_IN


def test_no_collection_of_purposes_stands_outside_the_table() -> None:
    found = []
    for name, path in sources():
        if len(names_in(path) & PURPOSE_NAMES) < 2:
            continue  # nothing to take apart
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Set | ast.Dict | ast.List | ast.Tuple):
                inside = {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)} & PURPOSE_NAMES
                if len(inside) > 1:
                    found.append(name)
    assert set(found) <= {"client/walk/reasons.py", "client/walk/results.py"}


@pytest.mark.parametrize("purpose", sorted(PURPOSE_NAMES))
def test_each_purpose_has_a_row_and_a_file_of_the_client(purpose: str) -> None:
    assert upload_pb2.Purpose.Value(purpose) in PURPOSES
    files = {name for name, path in sources() if purpose in names_in(path) and name.startswith("client/purposes/")}
    # A put is also what a reactor does at the destination of a copy.
    assert len(files) == (2 if purpose == "PURPOSE_UPLOAD" else 1)


def test_the_fields_of_the_rows_are_fields_of_a_request() -> None:
    message = upload_pb2.UploadRequest.DESCRIPTOR
    assert {*message.fields_by_name, *message.oneofs_by_name} > OWN_FIELDS


def test_each_event_has_its_failpoints() -> None:
    assert set(failpoints._UPLOAD_EVENTS) == EVENT_NAMES
