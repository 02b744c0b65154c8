"""Whatever reads bytes of others stands in the table of the fuzzers (tools/fuzz/table), and its corpus is read here.

A file is found by what it calls or defines: what turns bytes or texts into values, or a function called `parse…`.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.fuzz.mutation import mutated
from tools.fuzz.reader import CORPUS, FindingError, Reader
from tools.fuzz.table import READERS

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "monoskope"
GENERATED = ("api", "testing")
"""Protobuf's own classes, and what only tests use."""

READS = frozenset(
    {
        "FromString", "HttpRequestParser", "HttpResponseParser", "MergeFromString", "ParseDict",
        "ParseFromString", "a2b_base64", "b64decode", "compose_all", "convert", "decode_dss_signature",
        "deserialize_compact", "from_bytes", "fromhex", "fromisoformat", "import_key", "load_der_private_key",
        "load_der_x509_certificate", "load_pem_private_key", "load_pem_x509_certificate",
        "load_pem_x509_certificates", "load_ssh_private_key", "loads", "parse_qsl", "parse_stream",
        "receive_data", "safe_load", "strict_json", "strptime", "unhexlify", "unpack", "unpack_from", "unquote",
        "urlsafe_b64decode", "urlsplit",
    }
)  # fmt: skip
"""Names of functions that turn bytes or texts into values."""

_MAY_READ = re.compile(rf"\b({'|'.join(READS)}|decode)\b|\bdef _*parse")

_OWN = "reads what this process, or this m8, wrote itself"
_CHECKED = "takes what a reader of the table has checked"
_OURS = "converts between types of our own"
_FILE = "PEM files of the operator, which the library reads; a failure of it is a usage error"
EXEMPT = {
    "client/results/changes.py": _CHECKED,
    "command_line.py": "passes words of a command line on",
    "failpoints.py": "an environment variable that tests set",
    "m8/cli/backup_report.py": _OWN,
    "m8/cli/setup/folder.py": _FILE,
    "m8/cli/setup/people.py": "what a program of ours says that it started itself",
    "m8/cli/setup/roles.py": "a password in an address that the operator wrote",
    "m8/cli/main.py": "passes words of a command line on",
    "m8/credentials/tokens.py": _OWN,
    "m8/readmodels/uploads.py": _OWN,
    "m8/dev/setup.py": _OWN,
    "m8/http/presented.py": _FILE,
    "m8/doctor/certificates.py": _FILE,
    "m8/doctor/database.py": _OWN,
    "m8/init.py": _OURS,
    "m8/notices/looking.py": _CHECKED,
    "m8/notices/notifier.py": _OWN,
    "m8/queries/access.py": _OWN,
    "m8/queries/queries.py": _OURS,
    "m8/readmodels/documents.py": _OWN,
    "m8/background/presence.py": _OWN,
    "m8/readmodels/secrets.py": _OWN,
    "m8/readmodels/stores.py": _OWN,
    "m8/renewal.py": _FILE,
    "m8/service/people.py": _OWN,
    "m8/service/upload_key.py": _OWN,
    "m8/tree/cosigning.py": _OWN,
    "monoctl/console/rotation.py": _CHECKED,
    "monoctl/console/secrets.py": "narrows a request of the page that is parsed already",
    "monoctl/groups.py": "passes words of a command line on",
    "monoctl/output/formats.py": _OWN,
    "protocol/former.py": "parses steps of an identity with `parse` of `protocol/wire.py`, which the table has",
    "reactor/admission.py": _CHECKED,
    "reactor/engine_table.py": "what the operator writes on the command line",
    "reactor/run.py": _OWN,
    "reactor/grant.py": _CHECKED,
    "reactor/dispatch.py": "the events of a delivery: a message that does not parse is logged and passed over",
    "reactor/link/appends.py": "compares what m8 recorded with what was sent; what does not parse is another event",
    "reactor/link/endpoint.py": _FILE,
    "reactor/signers/list_file.py": "reads the file for `listed` and `revoked`",
    "reactor/setup.py": _OURS,
    "reactor/identity/fingerprint.py": "takes fingerprints of receipts that are checked, and readings of its own store",
    "reactor/work/new_values.py": _OWN,
    "stores/shared/checks.py": "says whether a text is base64",
}
"""Files that are no reader of foreign bytes, or one that the table has under another file, with the reason."""


def calls_in(path: Path) -> Iterator[str]:
    """The functions of `READS` that a file calls, and those that it defines as `parse…`."""
    text = path.read_text(encoding="utf-8")
    if not _MAY_READ.search(text):
        return  # there is nothing to take apart
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in READS or (name == "decode" and _of_msgspec(node.func)):
                yield name
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.lstrip("_").startswith("parse"):
            yield node.name


def _of_msgspec(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and ast.unparse(function.value).startswith("msgspec.")


def readers_in_source() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(GENERATED) and (called := set(calls_in(path))):
            found[name] = called
    return found


@pytest.fixture(params=READERS.values(), ids=lambda reader: reader.name)
def reader(request: pytest.FixtureRequest) -> Reader:
    found = request.param
    assert isinstance(found, Reader)
    return found


def test_whatever_reads_foreign_bytes_stands_in_the_table() -> None:
    found, listed = readers_in_source(), {name for one in READERS.values() for name in one.files}
    assert {name: calls for name, calls in found.items() if name not in listed | EXEMPT.keys()} == {}
    assert [name for name in EXEMPT if name in listed or name not in found] == []
    assert [name for name in listed if not (PACKAGE / name).is_file()] == []


def test_the_corpus_has_a_folder_for_each_reader_and_is_small() -> None:
    folders = {path.name for path in CORPUS.iterdir()}
    assert folders == READERS.keys()
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 2_000_000


def test_every_input_of_the_corpus_ends_as_the_reader_promises(reader: Reader) -> None:
    contents = reader.corpus()
    assert contents
    for content in contents:
        reader.meets(content)


def test_good_inputs_are_taken(reader: Reader) -> None:
    seeds = list(reader.seeds())
    assert seeds
    assert any(reader.meets(content) for content in seeds) is (reader.name not in ALL_REFUSED)


ALL_REFUSED = {
    "attach-end-of-m8": "the end of a session is an error, whatever m8 says with it",
    "id-token": "the keys of the tests' issuer are made anew in each process",
    "login-redirect": "a login's state is random",
    "m8-token": "m8's key is made anew in each process",
}
"""Readers without an input that they take, with the reason."""


def test_a_reader_that_breaks_its_promise_is_a_finding() -> None:
    """The fuzzer can see: another exception, a value that is written otherwise, and one that is refused again."""
    crooked = Reader("x", "", (), lambda content: content[1:], again=bytes, exact=True)
    with pytest.raises(FindingError, match="written as"):
        crooked.meets(b"ab")
    lossy = Reader("x", "", (), lambda content: content.strip(), again=lambda value: bytes(value) + b"b")
    with pytest.raises(FindingError, match="means something else"):
        lossy.meets(b"a")
    with pytest.raises(ZeroDivisionError):
        Reader("x", "", (), lambda content: 1 // len(content)).meets(b"")
    assert Reader("x", "", (), lambda _: int("x"), errors=(ValueError,)).meets(b"") is False


def test_our_own_loop_makes_the_same_inputs_of_the_same_seed() -> None:
    first, second = random.Random(7), random.Random(7)
    made = [[mutated(chosen, [b"abc", b"xyz"], 64) for _ in range(100)] for chosen in (first, second)]
    assert made[0] == made[1]
    assert len(set(made[0])) > 50
    assert max(map(len, made[0])) <= 64
