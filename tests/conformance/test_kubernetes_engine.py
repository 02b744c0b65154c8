"""What is particular to the driver `kubernetes`, on a contract server of ours: not on Kubernetes."""

from __future__ import annotations

import asyncio
import base64
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import tomli_w
import yaml

from monoskope.api.secrets.v1.options_pb2 import KubernetesOptions, Label
from monoskope.protocol.payload import Payload
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    DriverError,
    StoreConflictError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from monoskope.stores.kubernetes.config import InCluster, Kubeconfig
from monoskope.stores.kubernetes.object import TAG
from monoskope.stores.kubernetes.secrets import KubernetesStore
from monoskope.testing.drivers.harness import NOT_TEXT, tag
from tests.conformance.kubernetes_harness import KubernetesHarness, kubeconfig
from tests.conformance.kubernetes_server import BREAK, HANG, SERVER_TEXT, KubernetesServer, server_tls
from tests.support.certificates import client_certificate
from tests.support.failures import failure

PATH = ("apps", "db")
TEXT = Payload({"password": b"a value that nobody shall see"})


@pytest_asyncio.fixture
async def harness(kubernetes: tuple[KubernetesServer, bytes], tmp_path: Path) -> AsyncIterator[KubernetesHarness]:
    made = KubernetesHarness(*kubernetes, tmp_path, readable=True)
    async with made.stores:
        yield made


async def opened(harness: KubernetesHarness, **changes: Any) -> KubernetesStore:
    return await harness.stores.add(KubernetesStore.open(harness.config(**changes), state_dir=harness.folder))


def shows_nothing(problem: DriverError) -> None:
    """Neither the server's text nor the value, on whatever hangs on the error."""
    seen: BaseException | None = problem
    while seen is not None:
        for text in (str(seen), repr(seen), repr(vars(seen))):
            assert SERVER_TEXT not in text
            assert "nobody shall see" not in text
            assert base64.b64encode(TEXT["password"]).decode() not in text
        seen = seen.__cause__ or seen.__context__


async def test_a_secret_is_what_pods_expect(harness: KubernetesHarness) -> None:
    driver = await opened(harness)
    options = KubernetesOptions(type="kubernetes.io/tls", labels=[Label(name="app.example/team", value="a")])
    payload = Payload({"tls.crt": b"-----BEGIN", "tls.key": NOT_TEXT})
    await driver.write(PATH, payload, replacing=NOTHING, write_tag=tag(), options=options)
    there = harness.server.secrets[PATH]
    assert there["type"] == "kubernetes.io/tls"
    assert there["metadata"]["labels"] == {"app.example/team": "a"}
    assert base64.b64decode(there["data"]["tls.key"]) == NOT_TEXT


async def test_what_others_set_beside_the_values_stays(harness: KubernetesHarness) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    metadata = {"name": "db", "labels": {"a": "b"}, "annotations": {"c": "d"}, "ownerReferences": [owner]}
    harness.server.create("apps", {"metadata": metadata, "data": {"old": "eA=="}, "type": "example/x"}, "helm")
    driver = await opened(harness)
    options = KubernetesOptions(labels=[Label(name="e", value="f")])
    version = await driver.read_version(PATH)
    await driver.write(PATH, TEXT, replacing=version, write_tag=tag(), options=options)
    there = harness.server.secrets[PATH]
    assert (there["type"], list(there["data"])) == ("example/x", ["password"])
    assert there["metadata"]["labels"] == {"a": "b", "e": "f"}
    assert there["metadata"]["annotations"]["c"] == "d"
    assert there["metadata"]["ownerReferences"] == [owner]


async def test_looking_at_a_version_asks_for_no_values(harness: KubernetesHarness) -> None:
    driver = await opened(harness, readable=False)
    await driver.write(PATH, TEXT, replacing=NOTHING, write_tag=tag())
    harness.server.secrets[PATH]["data"] = None
    assert await driver.read_version(PATH) != NOTHING


async def test_an_immutable_secret_and_another_type_are_refused(harness: KubernetesHarness) -> None:
    driver = await opened(harness)
    await driver.write(PATH, TEXT, replacing=NOTHING, write_tag=tag())
    with pytest.raises(StoreRefusedError, match="type never changes"):
        await driver.write(PATH, TEXT, replacing=None, write_tag=tag(), options=KubernetesOptions(type="example/x"))
    harness.server.secrets[PATH]["immutable"] = True
    with pytest.raises(StoreRefusedError, match="immutable"):
        await driver.write(PATH, Payload({"k": b"v"}), replacing=None, write_tag=tag())
    with pytest.raises(StoreRefusedError, match="immutable"):
        await driver.patch(PATH, Payload({"k": b"v"}), [], replacing=None, write_tag=tag())
    await driver.delete(PATH, replacing=None, destroy=True)


async def test_a_type_that_lacks_its_keys_is_refused_in_our_words(harness: KubernetesHarness) -> None:
    """Before the cluster is asked for anything."""
    driver = await opened(harness)
    harness.server.asked.clear()
    with pytest.raises(StoreRefusedError, match=r"kubernetes\.io/tls has tls\.crt and tls\.key") as refused:
        await driver.write(
            PATH, TEXT, replacing=NOTHING, write_tag=tag(), options=KubernetesOptions(type="kubernetes.io/tls")
        )
    shows_nothing(refused.value)
    assert harness.server.asked == []


async def test_a_namespace_that_is_not_there_is_named(harness: KubernetesHarness) -> None:
    driver = await opened(harness)
    with pytest.raises(StoreRefusedError, match="namespace elsewhere"):
        await driver.write(("elsewhere", "db"), TEXT, replacing=NOTHING, write_tag=tag())


async def test_a_secret_with_a_finalizer_is_nothing_and_not_written_to(harness: KubernetesHarness) -> None:
    driver = await opened(harness)
    await driver.write(PATH, TEXT, replacing=NOTHING, write_tag=tag())
    harness.server.secrets[PATH]["metadata"]["finalizers"] = ["example/f"]
    await driver.delete(PATH, replacing=None, destroy=True)
    assert await driver.read_version(PATH) == NOTHING
    assert await driver.read(PATH) is None
    await failure(StoreUnavailableError, driver.write(PATH, TEXT, replacing=NOTHING, write_tag=tag()), "being deleted")


@pytest.mark.parametrize("data", [None, {}, {"k": "not base64"}, {"k": 1}])
async def test_what_is_no_secret_by_our_rules_is_not_read(harness: KubernetesHarness, data: Any) -> None:
    driver = await opened(harness)
    await driver.write(PATH, TEXT, replacing=NOTHING, write_tag=tag())
    harness.server.secrets[PATH]["data"] = data
    await failure(CannotReadError, driver.read(PATH))


async def test_data_that_is_no_table_is_not_that_of_an_api_server(harness: KubernetesHarness) -> None:
    driver = await opened(harness)
    await driver.write(PATH, TEXT, replacing=NOTHING, write_tag=tag())
    harness.server.secrets[PATH]["data"] = ["k"]
    await failure(StoreRefusedError, driver.read(PATH), "not that of a Kubernetes API server")


async def test_a_tag_is_not_found_once_others_changed_a_value(harness: KubernetesHarness) -> None:
    """The annotation stays when people edit a Secret; the cluster's own record tells."""
    for values in ({"password": "theirs"}, {"password": "x", "more": "y"}, {"other": "z"}):
        driver, token = await opened(harness), tag()
        await driver.write(PATH, Payload({"password": b"1", "user": b"2"}), replacing=None, write_tag=token)
        harness.edit(PATH, values)
        assert harness.server.secrets[PATH]["metadata"]["annotations"][TAG].startswith(token)
        assert await driver.find(PATH, token) is None


async def test_a_tag_is_not_found_once_others_removed_a_value(harness: KubernetesHarness) -> None:
    driver, token = await opened(harness), tag()
    await driver.write(PATH, Payload({"password": b"1", "user": b"2"}), replacing=None, write_tag=token)
    harness.edit(PATH, {"user": "2"})
    assert await driver.find(PATH, token) is None


async def test_a_tag_is_found_where_others_changed_the_labels_alone(harness: KubernetesHarness) -> None:
    """As controllers do at once; the values are ours still, under a newer version."""
    driver, token = await opened(harness), tag()
    await driver.write(PATH, TEXT, replacing=NOTHING, write_tag=token)
    there = harness.server.secrets[PATH]
    harness.server.update(PATH, {**there, "metadata": {**there["metadata"], "labels": {"a": "b"}}}, "controller")
    assert await driver.find(PATH, token) == await driver.read_version(PATH)


async def test_a_write_that_was_sent_twice_finds_itself(harness: KubernetesHarness) -> None:
    """The connection pool may repeat a PUT; the second one meets the first."""
    driver = await opened(harness)
    version = await driver.write(PATH, TEXT, replacing=NOTHING, write_tag=tag())
    harness.server.says["after PUT"] = 409
    written = await driver.write(PATH, Payload({"k": b"v"}), replacing=version, write_tag=tag())
    assert written == await driver.read_version(PATH) != version


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("said", [500, 502, 503, 504, BREAK])
async def test_a_change_that_fails_half_way_is_unknown(harness: KubernetesHarness, method: str, said: Any) -> None:
    driver = await opened(harness)
    if method != "POST":
        await driver.write(PATH, TEXT, replacing=NOTHING, write_tag=tag())
    harness.server.says[method] = said
    changing = (
        driver.delete(PATH, replacing=None, destroy=True)
        if method == "DELETE"
        else driver.write(PATH, TEXT, replacing=None, write_tag=tag())
    )
    unknown = await failure(UnknownOutcomeError, changing)
    shows_nothing(unknown)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (429, StoreUnavailableError),
        (401, StoreRefusedError),
        (403, StoreRefusedError),
        (413, StoreRefusedError),
        (422, StoreRefusedError),
        (400, StoreRefusedError),
        (302, StoreRefusedError),
        (307, StoreRefusedError),
    ],
)
async def test_a_clear_answer_leaves_no_doubt(harness: KubernetesHarness, said: int, error: type[DriverError]) -> None:
    harness.server.elsewhere = harness.server.url + "/version"
    driver = await opened(harness)
    for method in ("POST", "GET"):
        harness.server.says[method] = said
        raised = await failure(error, driver.write(PATH, TEXT, replacing=NOTHING, write_tag=tag()))
        assert not isinstance(raised, UnknownOutcomeError)
        shows_nothing(raised)
    assert PATH not in harness.server.secrets


async def test_a_cluster_that_never_answers_is_not_waited_for(harness: KubernetesHarness) -> None:
    driver = await opened(harness, timeout_s=2.0)
    harness.server.says["POST"] = HANG
    await failure(UnknownOutcomeError, driver.write(PATH, TEXT, replacing=NOTHING, write_tag=tag()))


async def test_a_deletion_names_what_it_deletes(harness: KubernetesHarness) -> None:
    """Somebody writes between the look and the deletion: what they wrote stays."""
    driver = await opened(harness)
    version = await driver.write(PATH, TEXT, replacing=NOTHING, write_tag=tag())
    getting = driver._get

    async def edited_then(*arguments: Any) -> Any:
        found = await getting(*arguments)
        harness.edit(PATH, {"password": "theirs"})
        return found

    driver._get = edited_then  # type: ignore[assignment,method-assign] # what happens in between
    await failure(StoreConflictError, driver.delete(PATH, replacing=version, destroy=True))
    assert PATH in harness.server.secrets


async def test_deleting_needs_to_be_configured_and_is_for_good(harness: KubernetesHarness) -> None:
    driver = await opened(harness, deletable=False)
    assert not driver.capabilities.deletable
    await failure(UnsupportedError, driver.delete(PATH, replacing=None, destroy=True))
    driver = await opened(harness)
    assert not driver.capabilities.soft_delete
    await failure(UnsupportedError, driver.delete(PATH, replacing=None, destroy=False), "--destroy")


async def test_it_works_under_the_role_that_it_prints(harness: KubernetesHarness) -> None:
    for deletable in (False, True):
        config = harness.config(deletable=deletable, namespace="apps")
        [role] = yaml.safe_load_all(KubernetesStore.policy(config, ((),)))
        assert (role["kind"], role["metadata"]["namespace"]) == ("Role", "apps")
        harness.server.verbs = set(role["rules"][0]["verbs"])
        driver = await opened(harness, deletable=deletable, namespace="apps")
        version = await driver.write(("db",), TEXT, replacing=NOTHING, write_tag=tag())
        version = await driver.patch(("db",), Payload({"k": b"v"}), [], replacing=version, write_tag=tag())
        assert await driver.read(("db",)) is not None
        if deletable:
            await driver.delete(("db",), replacing=version, destroy=True)
        else:
            harness.server.delete(PATH, {})


async def test_a_role_that_grants_nothing_shows_at_the_start(harness: KubernetesHarness) -> None:
    harness.server.verbs = set()
    await failure(StoreRefusedError, opened(harness, namespace="apps"), "roles")
    harness.server.tokens = set()
    await failure(StoreRefusedError, opened(harness), "credentials")


async def test_in_a_pod_the_mounted_token_is_read_for_each_request(
    harness: KubernetesHarness,
    kubernetes: tuple[KubernetesServer, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cluster replaces it every hour."""
    server, authority = kubernetes
    (tmp_path / "ca.crt").write_bytes(authority)
    (tmp_path / "token").write_text("a-token\n")
    pod = InCluster(token_file=str(tmp_path / "token"), ca_file=str(tmp_path / "ca.crt"))
    await failure(StoreRefusedError, opened(harness, auth=pod), "KUBERNETES_SERVICE_HOST")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    driver = await opened(harness, auth=pod)
    server.tokens = {"another-token"}
    await failure(StoreRefusedError, driver.read_version(PATH), "credentials")
    (tmp_path / "token").write_text("another-token\n")
    assert await driver.read_version(PATH) == NOTHING


async def test_a_client_certificate_is_shown(harness: KubernetesHarness, tmp_path: Path) -> None:
    certificate, key = client_certificate()
    context, authority = server_tls(tmp_path / "other", clients=certificate)
    async with KubernetesServer(context) as server:
        user = {
            "client-certificate-data": base64.b64encode(certificate.encode()).decode(),
            "client-key-data": base64.b64encode(key.encode()).decode(),
        }
        file = kubeconfig(tmp_path / "with-certificate", server.url, authority, user)
        driver = await opened(harness, auth=Kubeconfig(file))
        assert await driver.read_version(PATH) == NOTHING


async def test_an_untrusted_certificate_is_refused(harness: KubernetesHarness, tmp_path: Path) -> None:
    _, other = server_tls(tmp_path / "other")
    file = kubeconfig(tmp_path / "wrong", harness.server.url, other, {"token": "a-token"})
    await failure(StoreRefusedError, opened(harness, auth=Kubeconfig(file)), "not trusted")
    assert harness.server.asked == []


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        (({"exec": {"command": "aws"}}, {}), "exec"),
        (({"auth-provider": {"name": "gcp"}}, {}), "auth-provider"),
        (({"username": "u", "password": "p"}, {}), "password"),
        (({"token": "a-token", "as": "root"}, {}), "'as'"),
        (({"token": "two words"}, {}), "token"),
        (({}, {}), "no token"),
        (({"token": "a-token"}, {"insecure-skip-tls-verify": True}), "insecure-skip-tls-verify"),
        (({"token": "a-token"}, {"proxy-url": "http://p"}), "proxy-url"),
        (({"token": "a-token"}, {"server": "http://127.0.0.1:1"}), "server"),
        (({"token": "a-token"}, {"certificate-authority-data": "x"}), "certificate-authority"),
        (({"client-certificate-data": "eA==", "client-key-data": "eA=="}, {}), "pair"),
    ],
)
async def test_a_kubeconfig_that_would_do_something_else_is_refused(
    harness: KubernetesHarness,
    kubernetes: tuple[KubernetesServer, bytes],
    tmp_path: Path,
    entries: tuple[dict[str, Any], dict[str, Any]],
    word: str,
) -> None:
    (server, authority), (user, cluster) = kubernetes, entries
    file = kubeconfig(tmp_path / "bad", server.url, authority, user, **cluster)
    await failure(StoreRefusedError, opened(harness, auth=Kubeconfig(file)), word)
    assert server.asked == []


async def test_a_loose_or_broken_kubeconfig_and_a_missing_context(harness: KubernetesHarness, tmp_path: Path) -> None:
    await failure(StoreRefusedError, opened(harness, auth=Kubeconfig(harness.file, context="other")), "context")
    Path(harness.file).chmod(0o644)
    await failure(StoreRefusedError, opened(harness, auth=Kubeconfig(harness.file)), "0644")
    Path(harness.file).chmod(0o600)
    Path(harness.file).write_text("{")
    await failure(StoreRefusedError, opened(harness, auth=Kubeconfig(harness.file)), "kubeconfig")


async def test_a_configured_cluster_can_be_checked(harness: KubernetesHarness, tmp_path: Path) -> None:
    """As whoever has a real one may do, which this repository has not. It is said where it lies and what is missing."""
    engine = {"type": "kubernetes", "readable": True, "deletable": True}
    engine |= {"auth": {"method": "kubeconfig", "file": harness.file}}
    table: dict[str, Any] = {"server": "localhost:1", "ca_file": "x", "store": "k8s", "prefixes": ["apps"]}

    async def check(**changes: Any) -> tuple[int | None, str]:
        (tmp_path / "reactor.toml").write_text(tomli_w.dumps(table | {"engine": engine} | changes))
        m8 = Path(sys.executable).parent / "m8"
        command: list[str | Path] = [m8, "stores", "check", "--config", tmp_path / "reactor.toml"]
        done = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
        said, _ = await done.communicate()
        return done.returncode, said.decode()

    code, said = await check()
    assert code == 0, said
    assert "kubernetes, experimental" in said
    assert " 0 broken, " in said
    assert harness.server.secrets == {}
    code, said = await check(prefixes=[""])
    assert code == 3, said
    assert "NAMESPACE/NAME" in said
