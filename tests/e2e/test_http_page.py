"""docs/reference/http.md, line by line with curl, and Connect's own client from Node, at a real m8 with real stores."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import tomli_w
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from monoskope.testing.parts import Part, listens, needed, program
from tests.e2e.conftest import Team
from tests.e2e.operating import ROOT, Typist, pattern
from tests.support import issuers

PAGE = ROOT / "docs" / "reference" / "http.md"
NODE = ROOT / "tests" / "node"
IMAGE = ROOT / "proto" / "image.binpb"
ORIGIN = "https://app.example.org"
SERVICE = "monoskope.api.gateway.v1.SecretQueryService"
_BLOCK = re.compile(r"^```(?P<kind>sh|json|text)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def address_of(folder: Path) -> str:
    return (folder / "address").read_text(encoding="utf-8").strip()


def fits(shown: Any, found: Any) -> bool:
    """Return whether an answer has what the page shows of it; `…` stands for any text, or any end of one.

    A number stands for one that differs by 5 at most: it may be a time that passes.
    """
    if isinstance(shown, dict):
        return isinstance(found, dict) and all(
            name in found and fits(part, found[name]) for name, part in shown.items()
        )
    if isinstance(shown, list):
        return isinstance(found, list) and len(shown) <= len(found) and all(map(fits, shown, found))
    if isinstance(shown, int) and not isinstance(shown, bool):
        return isinstance(found, int) and abs(shown - found) <= 5
    if isinstance(shown, str) and shown.endswith("…"):
        return isinstance(found, str) and found.startswith(shown.removesuffix("…"))
    return bool(shown == found)


class Reader(Typist):
    """Somebody who types what the page says, as a user of a team."""

    team: Team

    def adapted(self, line: str) -> str:
        """Take the place of the page's m8, its team and its store."""
        identity = self.team.cluster.identities["vault"]
        line = line.replace("localhost:7443", address_of(self.team.cluster.folder / "m8"))
        return line.replace("team-a", self.team.name).replace("SHA256:… ", f"{identity} ")


@pytest.fixture
def reader(patient: Team, tmp_path: Path) -> Reader:
    needed("curl", "curl")
    found = Reader.at(tmp_path)
    found.team = patient
    shutil.copy(patient.cluster.folder / "m8" / "ca.crt", found.folder / "ca.crt")
    shutil.copy(patient.user.token_file, found.folder / "token")
    shutil.copy(ROOT / "examples" / "http" / "put.py", found.folder / "put.py")
    begun = issuers.now_s()
    id_token = issuers.minted(issuers.claims_of(sub=patient.name, iat=begun, exp=begun + 1_000))
    (found.folder / "id-token").write_text(id_token, encoding="ascii")
    return found


def typed(reader: Reader, command: str) -> str:
    printed = ""
    for deadline_ms in (500, 2_000, 8_000, 30_000):
        done = reader.shell(command.replace("Connect-Timeout-Ms: 500", f"Connect-Timeout-Ms: {deadline_ms}"))
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        printed = done.stdout
        if "WatchEvents" not in command or "SecretUploaded" in printed:
            break
    return printed


def test_every_command_of_the_page_does_what_it_says(reader: Reader) -> None:
    assert reader.team.put(reader.team.uri("vault", "earlier")).code == 0
    printed, ran = "", 0
    for kind, body in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        shown = body.replace("team-a", reader.team.name)
        if kind == "text":
            assert pattern(shown).search(printed), (shown, printed)
        elif kind == "json":
            assert fits(json.loads(shown), json.loads(printed)), (shown, printed)
        else:
            printed, ran = typed(reader, body.strip()), ran + 1
    assert ran > 8
    assert (reader.folder / "m8.curl").stat().st_mode & 0o077 == 0
    assert reader.team.compare(reader.team.uri("vault"), value=b"s3cret").code == 0


def test_what_m8_answers_is_what_openapi_says(reader: Reader) -> None:
    document = json.loads((PAGE.parent / "openapi.json").read_text(encoding="utf-8"))
    asked = 0
    for call in re.findall(
        r"^curl -s -K m8\.curl --json .*$|^\(umask .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    ):
        answer = reader.shell(call).stdout
        method = re.search(r"localhost:7443(/\S+/\S+)$", call)
        if method is not None:
            schema = document["paths"][method[1]]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
            found = json.loads(answer)
            if "code" in found:
                schema = {"$ref": "#/components/schemas/ConnectError"}
            jsonschema.validate(found, schema | {"components": document["components"]})
            asked += 1
    assert asked > 3


def test_curl_says_of_each_mistake_what_the_page_says(reader: Reader) -> None:
    http = address_of(reader.team.cluster.folder / "m8")
    port, page = http.rpartition(":")[2], PAGE.read_text(encoding="utf-8")
    for mistake in (
        f"http://{http}/healthz",
        f"https://{http}/healthz",
        f"--cacert ca.crt --resolve foo.test:{port}:127.0.0.1 https://foo.test:{port}/healthz",
        "https://127.0.0.1:1/healthz",
    ):
        said = reader.shell(f"curl -sS {mistake}").stderr.removeprefix("curl: ")
        rows = [row for row in re.findall(r"^\| `(\(\d+\) [^`]+)` \|", page, re.MULTILINE) if said.startswith(row)]
        assert len(rows) == 1, (mistake, said)


REFUSED: dict[tuple[int, str], tuple[str, ...]] = {
    (400, ""): ("-H", "Content-Length: 2", "-H", "Content-Length: 2"),
    (403, ""): ("-H", "Origin: https://elsewhere.example.org"),
    (404, "unimplemented"): ("https://{}/nothing",),
    (405, "unimplemented"): ("-X", "PUT"),
    (413, "resource_exhausted"): ("-H", "Expect:", "--json", "{large}"),
    (414, ""): ("{url}?{long}",),
    (431, ""): ("-H", "X-Long: {long}{long}{long}{long}{long}{long}{long}{long}"),
    (415, "unimplemented"): ("-H", "Content-Type: text/plain"),
    (417, ""): ("-H", "Expect: the-unexpected"),
    (501, "unimplemented"): ("-H", "Content-Encoding: gzip"),
    (501, ""): ("-H", "Transfer-Encoding: chunked"),
}
"""What is refused before it is a call, and the words of curl that ask for it."""


@pytest.mark.parametrize(("status", "code"), REFUSED)
def test_what_is_no_call_is_refused_as_the_page_says(reader: Reader, status: int, code: str) -> None:
    assert re.search(
        rf"^\| (\d+, )?{status}(, \d+)? \| {f'`{code}`' if code else ''} ?\|", PAGE.read_text(), re.MULTILINE
    )
    address = address_of(reader.team.cluster.folder / "m8")
    url = f"https://{address}/{SERVICE}/GetServer"
    known = {
        "{large}": "{" + " " * 92_000 + "}",
        "{long}": "x" * 2_100,
        "{url}": url,
        "https://{}": f"https://{address}",
    }
    filled = re.compile("|".join(map(re.escape, known)))
    words = [filled.sub(lambda name: known[name[0]], word) for word in REFUSED[status, code]]
    if not any(word.startswith("https://") for word in words):
        words.append(url)
    if "--json" not in words:
        words = ["--json", "{}", *words]
    token = reader.team.user.token_file.read_text().strip()
    ask = ["curl", "-s", "--cacert", "ca.crt", "-H", f"Authorization: Bearer {token}", "-w", "\n%{http_code}", *words]

    done = subprocess.run(ask, cwd=reader.folder, capture_output=True, text=True, check=True, timeout=300)
    body, _, answered = done.stdout.rpartition("\n")

    assert int(answered) == status, body
    if code:
        assert json.loads(body)["code"] == code
    assert token not in body


def test_the_metrics_are_for_a_token_that_reads_nothing_else(reader: Reader) -> None:
    cluster = reader.team.cluster
    shutil.copy(cluster.administrator.token_file, reader.folder / "administrator")
    cluster.make_token("prometheus", "--role", "metrics", out=reader.folder / "scraper")
    ask = "curl -s --cacert ca.crt -w '%{{http_code}}' -H \"Authorization: Bearer $(cat {0})\" https://localhost:7443/metrics"

    assert reader.shell(ask.format("token")).stdout.endswith("403")
    assert reader.shell(ask.format("administrator")).stdout.endswith("403")
    assert "m8_requests_total" in reader.shell(ask.format("scraper")).stdout


def descriptors(folder: Path) -> Path:
    """Write what Node must know of google.rpc, and return the file."""
    file = FileDescriptorSet()
    for one in (error_details_pb2.DESCRIPTOR.dependencies[0], error_details_pb2.DESCRIPTOR):
        one.CopyToProto(file.file.add())
    path = folder / "google-rpc.binpb"
    path.write_bytes(file.SerializeToString())
    return path


@pytest.fixture(scope="module")
def met(patient: Team, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Connect's client for browsers met, in JSON and in binary form."""
    node = needed("node", "nodejs")
    if not (NODE / "node_modules" / "@connectrpc" / "connect-web").is_dir():
        pytest.skip("the packages of tests/node are not installed: (cd tests/node && npm ci)")
    assert patient.put(patient.uri("local", "node")).code == 0
    cluster = patient.cluster
    done = subprocess.run(
        [
            node,
            str(NODE / "door.js"),
            f"https://{address_of(cluster.folder / 'm8')}",
            str(patient.user.token_file),
            str(descriptors(tmp_path_factory.mktemp("node"))),
            str(IMAGE),
            f"local://{patient.name}",
        ],
        env={"NODE_EXTRA_CA_CERTS": str(cluster.folder / "m8" / "ca.crt")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("form", ["json", "binary"])
def test_connects_own_client_lists_watches_and_reads_our_errors(met: dict[str, Any], form: str) -> None:
    found = met[form]

    assert {"vault", "local"} <= {name for name, _ in found["stores"]}
    assert {kind for _, kind in found["stores"]} == {"bigint"}
    assert found["events"][0] == "SecretUploadKeyRequested"
    assert found["events"][-1] == "SecretUploaded"
    assert found["noUri"]["code"] == "InvalidArgument"
    assert found["noUri"]["info"]["reason"] == "USAGE"
    assert "uri" in found["noUri"]["message"]
    assert found["noSuch"]["info"]["reason"] == "NOT_FOUND"
    for refused in (found["noToken"], found["streamWithoutToken"]):
        assert refused["code"] == "Unauthenticated"
        assert refused["info"] == {"reason": "UNAUTHENTICATED", "domain": "monoskope", "fix": refused["info"]["fix"]}
        assert refused["info"]["fix"]
    assert found["tooLate"]["code"] == "DeadlineExceeded"


@pytest.fixture
def browsers(tmp_path: Path) -> Iterator[str]:
    """An m8 that one origin may call; its address."""
    init = [program("m8"), "init", "folder", "--dir", str(tmp_path / "m8"), "--listen", "127.0.0.1:0"]
    subprocess.run(init, check=True, capture_output=True, timeout=300)
    settings = tmp_path / "m8" / "m8.toml"
    origins = tomli_w.dumps({"origins": [ORIGIN]})
    settings.write_text(origins + settings.read_text(encoding="utf-8"), encoding="utf-8")
    serve = [program("m8"), "serve", "--dir", str(tmp_path / "m8")]
    m8 = Part("m8", serve, log=tmp_path / "m8.log", folder=tmp_path, environment={"HOME": str(tmp_path)})
    m8.start()
    try:
        m8.wait_for(lambda: (tmp_path / "m8" / "address").exists() and listens(address_of(tmp_path / "m8")))
        yield address_of(tmp_path / "m8")
    finally:
        m8.stop()


def test_a_browser_may_call_from_the_origins_that_are_named(browsers: str, tmp_path: Path) -> None:
    curl = needed("curl", "curl")

    def preflight(origin: str) -> str:
        asks = ["Origin: " + origin, "Access-Control-Request-Method: POST"]
        headers = [word for one in [*asks, "Access-Control-Request-Headers: authorization"] for word in ("-H", one)]
        url = f"https://{browsers}/{SERVICE}/GetServer"
        command = [curl, "-s", "-i", "-X", "OPTIONS", "--cacert", str(tmp_path / "m8" / "ca.crt"), *headers, url]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout.lower()

    allowed, refused = preflight(ORIGIN), preflight("https://elsewhere.example.org")

    assert allowed.startswith("http/1.1 204")
    assert f"access-control-allow-origin: {ORIGIN}" in allowed
    assert "authorization" in allowed
    assert "access-control-allow-credentials" not in allowed
    assert refused.startswith("http/1.1 403")
    assert "access-control-allow-origin" not in refused
    assert "set-cookie" not in allowed + refused
