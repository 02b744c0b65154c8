"""Reactors whose memory is looked into, and the walking of requests to every end they can have.

They run as in production, but for two things. The garbage collector is off: what only it would remove stays for the
search, where it would stay for as long as it pleases. And what GENERATE makes has a mark.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.seal import NOTHING_SEALED, seal
from monoskope.protocol.grant import SUITE_1
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.receipt import parse_receipt
from monoskope.protocol.recipes import Recipe
from monoskope.protocol.request import Request, make_request
from monoskope.stores.age.config import AgeConfig
from monoskope.stores.age.files import AgeStore
from monoskope.testing.cluster import MOUNT, PREFIX, Cluster, editing
from monoskope.testing.cluster.commands import User
from monoskope.testing.search.canaries import Canaries, Style
from monoskope.uri import SecretUri
from tests.e2e.breaking_bao import BreakingBao
from tests.e2e.ends_spoilt import spoilt
from tests.e2e.ran import Caller
from tests.support.http_calls import CallError
from tests.support.m8_user import PATIENCE_S
from tests.support.quick_cluster import QuickCluster

TEAM = "ends"
REFUSED = "refused"
"""No end: on a loaded machine a call is too late, or a reactor finds that its engine does not answer."""
MADE_BYTES = 611
"""Of what GENERATE makes with a mark."""

_SITE = """
import sys

if "run" in sys.orig_argv:
    import gc, itertools, json, pathlib, secrets

    gc.disable()
    _given = json.loads(pathlib.Path(__file__).with_name("given.json").read_text())
    planted = [bytes.fromhex(text) for text in _given["planted"]]
    _make, _turned, _size = secrets.token_bytes, _given["turned"], _given["size"]
    secrets.token_bytes = (
        lambda size=None: (bytes(_turned)[::-1] * size)[:size] if size == _size else _make(size)
    )
    del _given
"""
_MANY_HANDSHAKES = """
[limits]
handshakes = 10000
handshakes_per_address = 10000
"""
"""Each call of this rig has a connection of its own."""
_TIMINGS = {
    "write_window": 5.0,
    "settle": 5.2,
    "issuer_gone": 1.0,
    "lookups": [0.0, 0.2],
    "lookup_retry": 0.1,
    "lookup_tries": 2,
    "tick": 0.2,
}
_LOOKS = frozenset({upload_pb2.PURPOSE_COMPARE, upload_pb2.PURPOSE_VERIFY, upload_pb2.PURPOSE_IMPORT})


@dataclass(frozen=True, slots=True)
class Way:
    purpose: upload_pb2.Purpose
    end: str
    """An outcome, or the reason of a failure."""
    store: str = "breaking"
    script: str = "whole"
    """How the engine breaks: the second segment of the path."""
    there: str = ""
    """What is upstream before: "", "ours", "theirs" or "same", which is what is sent; "gone", which is theirs and was
    deleted; or "two", of which the first is to be there again."""
    expect: upload_pb2.Expect = upload_pb2.EXPECT_OVERWRITE
    key: str = "small"
    """Of the first value."""
    spoil: str = ""
    """What is wrong with what is sealed: one of `SPOILT`."""
    remove: tuple[str, ...] = ()
    to: str = ""
    """The script of a COPY's destination."""
    held: Callable[[], None] = lambda: None
    """Called when there is a key, before what was sealed is sent."""

    @property
    def name(self) -> str:
        purpose = spelled(upload_pb2.Purpose, self.purpose)
        return " ".join(filter(None, (purpose, self.end, self.store, self.script, self.there, self.spoil, self.to)))


class Rig:
    """The cluster and who uses it. `running` makes one."""

    def __init__(self, cluster: Cluster, canaries: Canaries, forms: set[str]) -> None:
        self.cluster = cluster
        self.canaries = canaries
        self.forms = forms
        """Those in which the control is in every reactor."""
        self._numbers = itertools.count()
        prefixes = [f"{store}://{TEAM}" for store in cluster.identities]
        rights = ("put", "compare", "see-hash", "delete", "copy", "undelete", "rollback")
        self.user: User = cluster.add_user("ender", prefixes=prefixes, rights=rights)

    @cached_property
    def _age(self) -> dict[str, AgeStore]:
        return {}

    async def _age_of(self, store: str) -> AgeStore:
        if store not in self._age:
            home = self.cluster.folder / f"reactor-{store}"
            table = tomllib.loads((home / "reactor.toml").read_text())["engine"]
            config = AgeConfig(**{name: value for name, value in table.items() if name != "type"})
            self._age[store] = await AgeStore.open(config, state_dir=home)
        return self._age[store]

    def restart(self, store: str, environment: Mapping[str, str], **timings: float) -> None:
        part = self.cluster.reactors[f"reactor-{store}"]
        part.stop()
        _change(self.cluster, store, {}, **timings)
        self.cluster.wait_until_detached(store, 0)
        part.start(environment)
        part.wait_for(lambda: bool(self.cluster.attached(store)))

    async def walk(self, caller: Caller, way: Way) -> str:
        """Walk one request to its end, and return that; `REFUSED` if m8 had no time for it, or its reactor none."""
        try:
            return await self._walked(caller, way)
        except CallError as error:
            if error.code not in {"unavailable", "deadline_exceeded"}:
                raise
            return REFUSED

    async def _walked(self, caller: Caller, way: Way) -> str:
        uri = SecretUri.parse(f"{way.store}://{TEAM}/{way.script}/{next(self._numbers)}")
        values = self.values(way.name, small_alone=way.there == "ours", key=way.key)
        if way.there in {"ours", "drifted"}:
            await self._put(caller, uri, self.values(way.name, small_alone=True))
            if way.there == "drifted":
                await self._write(uri, self.values(way.name, small_alone=False))
        to_version = ""
        if way.there in {"gone", "two"}:
            to_version = await self._left_behind(uri, way)
        elif way.there in {"theirs", "same"} or way.purpose in {upload_pb2.PURPOSE_COPY, upload_pb2.PURPOSE_IMPORT}:
            await self._write(uri, values if way.there == "same" else self.values(way.name, small_alone=False))
        destination = None
        if way.purpose == upload_pb2.PURPOSE_COPY:
            destination = SecretUri.parse(f"local://{TEAM}/{way.to or 'whole'}/{next(self._numbers)}")
            if way.to == "theirs":
                await self._write(destination, self.values(way.name, small_alone=True))
        return await self._ask(caller, way, uri, values, destination, to_version)

    async def _left_behind(self, uri: SecretUri, way: Way) -> str:
        """Leave a version upstream that is not the current one: deleted, or replaced. Return it if it was replaced."""
        version = await self._write(uri, self.values(way.name, small_alone=False))
        if way.there == "two":
            await self._write(uri, self.values(way.name, small_alone=True))
            return version
        if uri.store in {"vault", "blind"}:
            path = f"{MOUNT}/delete/{PREFIX}/{'/'.join(uri.path)}"
            await asyncio.to_thread(self.cluster.bao.call, "POST", path, {"versions": [1]})
        else:
            await (await self._age_of(uri.store)).delete(uri.path, replacing=version, destroy=False)
        return ""

    async def _ask(  # noqa: PLR0917 - the parts of one request
        self,
        caller: Caller,
        way: Way,
        uri: SecretUri,
        values: Mapping[str, bytes],
        destination: SecretUri | None,
        to_version: str = "",
    ) -> str:
        made = (Recipe("small", "hex", MADE_BYTES), Recipe("text", "base64", MADE_BYTES))
        request = make_request(
            request_id=os.urandom(16),
            purpose=way.purpose,
            uri=uri,
            expect=upload_pb2.EXPECT_UNSPECIFIED if way.purpose in _LOOKS else way.expect,
            expect_version="7@7" if way.expect == upload_pb2.EXPECT_VERSION else "",
            suites=(SUITE_1,),
            remove_keys=way.remove,
            recipes=made if way.purpose == upload_pb2.PURPOSE_GENERATE else (),
            destination=destination,
            to_version=to_version,
        )
        plaintext = spoilt(encode(Payload(values)), way.spoil) if PURPOSES[way.purpose].seals else b""
        return await self._end_of(caller, request, plaintext, way.held)

    async def _end_of(self, caller: Caller, request: Request, plaintext: bytes, held: Callable[[], None]) -> str:
        grant = await caller.granted(request, self.cluster.identities[request.uri.store])
        sealed = seal(plaintext, grant) if plaintext else NOTHING_SEALED
        held()
        upload = await caller.send(request.request_id, sealed)
        query = queries_pb2.GetSecretUploadRequest(request_id=request.request_id, wait=True)
        while upload.state != views_pb2.UPLOAD_STATE_ENDED:
            upload = (await caller.call(query, timeout_s=PATIENCE_S)).upload
        return _end(upload)

    async def _put(self, caller: Caller, uri: SecretUri, values: Mapping[str, bytes]) -> None:
        way = Way(upload_pb2.PURPOSE_UPLOAD, "UPLOADED")
        assert await self._ask(caller, way, uri, values, None) == "UPLOADED"

    async def _write(self, uri: SecretUri, values: Mapping[str, bytes]) -> str:
        if uri.store in {"vault", "blind"}:
            path = f"{MOUNT}/data/{PREFIX}/{'/'.join(uri.path)}"
            body = {"data": {key: value.decode() for key, value in values.items()}}
            made = (await asyncio.to_thread(self.cluster.bao.call, "POST", path, body))["data"]
            return f"{made['version']}@{made['created_time']}"
        store = await self._age_of(uri.store)
        return await store.write(uri.path, Payload(values), replacing=None, write_tag="0" * 64)

    def values(self, name: str, *, small_alone: bool, key: str = "small") -> dict[str, bytes]:
        styles: tuple[Style, ...] = ("plain", "escaped", "wide")
        turn = next(self._numbers)
        sizes = {key: 64} if small_alone else {key: 64, "middle": 3_000, "large": 60_000}
        return {
            one: self.canaries.value(name, size, styles[(turn + nth) % 3])
            for nth, (one, size) in enumerate(sizes.items())
        }


def _end(upload: views_pb2.SecretUpload) -> str:
    if not upload.HasField("receipt"):
        return f"m8: {spelled(upload_pb2.Reason, upload.reason)}"
    receipt = parse_receipt(upload.receipt.content)
    if receipt.outcome == upload_pb2.OUTCOME_FAILED:
        return spelled(upload_pb2.Reason, receipt.reason)
    return spelled(upload_pb2.Outcome, receipt.outcome)


@contextmanager
def running(folder: Path) -> Iterator[Rig]:
    """A rig with the stores `vault`, `blind` (OpenBao, readable and write-only), `breaking` and `local`."""
    canaries = Canaries()
    site = folder / "site"
    forms = _lay_out_site(site, canaries)
    with _Cluster(folder / "cluster", site) as cluster:
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
        with (cluster.folder / "m8" / "m8.toml").open("a", encoding="utf-8") as file:
            file.write(_MANY_HANDSHAKES)
        cluster.start_m8()
        cluster.start_openbao()
        with BreakingBao(cluster.bao.address.removeprefix("https://"), cluster.bao.folder) as proxy:
            for store, readable in (("vault", True), ("blind", False)):
                cluster.make_vault_reactor(store, readable=readable)
                _change(cluster, store, {"address": proxy.address, "timeout_s": 2.5})
            for store in ("breaking", "local"):
                cluster.make_reactor(store, "breaking", {})
                _change(cluster, store, {})
            for source in ("vault", "breaking"):
                cluster.allow_copy(source, "local")
            stores = list(cluster.identities)
            cluster.share_fingerprint_key(*(f"reactor-{store}" for store in stores))
            for store in stores:
                cluster.add_store(store)
                cluster.start_reactor(store)
            yield Rig(cluster, canaries, forms)
            for part in cluster.reactors.values():
                part.kill()


def _lay_out_site(site: Path, canaries: Canaries) -> set[str]:
    """Lay out what Python imports by itself, the plugin, and the control in each form; return the forms."""
    site.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("breaking_store.py"), site / "breaking_store.py")
    info = site / "breaking_store-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: breaking-store\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[monoskope.stores]\nbreaking = breaking_store:BreakingStore\n")
    forms = set(canaries.wanted.needles)
    planted = [canaries.planted("control", form).hex() for form in sorted(forms)]
    turned = list(canaries.value("made", 18)[::-1])
    (site / "given.json").write_text(json.dumps({"planted": planted, "turned": turned, "size": MADE_BYTES}))
    (site / "sitecustomize.py").write_text(_SITE)
    return forms


class _Cluster(QuickCluster):
    """A cluster whose reactors find the plugin, and what lays one out.

    Nothing else does: what has a PYTHONPATH starts as a new interpreter, which loads for longer than it works.
    """

    def __init__(self, folder: Path, site: Path) -> None:
        self._site = site
        super().__init__(folder)

    def _added(self, arguments: Sequence[str]) -> dict[str, str]:
        finds = arguments[:3] == ("m8", "reactor", "run") or (arguments[0] == "m8" and "breaking" in arguments)
        return super()._added(arguments) | ({"PYTHONPATH": str(self._site)} if finds else {})


def _change(cluster: Cluster, store: str, engine: dict[str, object], **timings: float) -> None:
    with editing(cluster.folder / f"reactor-{store}" / "reactor.toml") as table:
        table["engine"] |= engine
        table["timings"] = _TIMINGS | timings
        table["limits"] = {
            "uploads_per_second": 1_000,
            "compares_per_hour_per_uri": 1_000,
            "compares_per_hour": 10_000,
            "lifetime_s": 30,
        }
