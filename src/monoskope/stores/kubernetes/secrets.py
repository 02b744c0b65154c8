"""The driver `kubernetes`: Secrets of a Kubernetes cluster. Experimental: it has met no real API server yet.

A write reads the Secret, changes its values, tag, labels and nothing else, and replaces it whole under the
resourceVersion that was read; the cluster compares it in the same act (409). Server-side apply would leave keys that
others set.

Round trips: `read_version`, `read` and `find` 1; `write` and `patch` 2; `delete` 3. A write that meets a conflict takes
one more, to find out whether the connection pool had sent the write twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from monoskope.errors import UsageError, docs_page
from monoskope.protocol.payload import Payload, encode
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    Capabilities,
    DriverError,
    Snapshot,
    StoreConflictError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from monoskope.stores.kubernetes import object as objects
from monoskope.stores.kubernetes.client import METADATA, KubernetesHttp, access
from monoskope.stores.kubernetes.config import KubernetesConfig, Place, least_role, place_of, wishes_of
from monoskope.stores.kubernetes.object import check_type
from monoskope.stores.shared.checks import OurDriver
from monoskope.stores.shared.http import JSON, HttpAnswer

_TRIES = 3
_AS_US = f"?fieldManager={objects.MANAGER}"

Merge = Callable[[objects.Object | None], dict[str, str]]
"""What the values are to be, by what is there."""


class KubernetesStore(OurDriver):
    """See `StoreDriver`, and docs/stores/kubernetes.md for configuration and roles."""

    kind = "kubernetes"
    Config = KubernetesConfig
    maturity: ClassVar[Literal["stable", "experimental"]] = "experimental"

    example_notes = f"""\
# Experimental: this driver has met no real API server yet. Paths are NAMESPACE/NAME; with namespace = "…" just names.
# Outside a cluster: auth = {{ method = "kubeconfig", file = "…" }}.
# Roles and limits: {docs_page("stores/kubernetes.md")}.
"""

    def __init__(self, config: KubernetesConfig, http: KubernetesHttp) -> None:
        self._config = config
        self._http = http
        # Keys need no rule: the protocol's is the API's. 1 MiB of values is more than any payload has.
        self._capabilities = Capabilities(
            max_plaintext=config.max_plaintext,
            check_and_set=True,
            write_tag=True,
            readable=config.readable,
            patchable=True,
            deletable=config.deletable,
            layout="a Secret with one entry of data for each key, byte for byte.",
        )

    def __repr__(self) -> str:
        return f"<KubernetesStore {self._config.namespace or 'all namespaces'}>"

    @classmethod
    async def open(cls, config: KubernetesConfig, *, state_dir: Path) -> Self:
        """Find the cluster and see that it takes the credentials.

        Raises:
            StoreRefusedError: the environment, the kubeconfig or the role is not as it must be; the message says which.
            StoreUnavailableError: the cluster does not answer.
        """
        return await cls(config, KubernetesHttp(config, access(config.auth, state_dir))).opened()

    @classmethod
    def policy(cls, config: KubernetesConfig, prefixes: tuple[tuple[str, ...], ...]) -> str:
        """See `StoreDriver.policy`: roles, as YAML."""
        return least_role(config, prefixes)

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """See `StoreDriver.example`: the service account of the reactor's pod."""
        del folder
        return {"auth": {"method": "in-cluster"}, "readable": False, "deletable": False}

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """Refuse a path that is not a namespace and a name, or a name alone, and options that the API does not take."""
        self._place(path)
        wishes_of(options)

    def check_payload(
        self, path: tuple[str, ...], payload: Payload | None, *, remove: Sequence[str] | None, options: object | None
    ) -> None:
        """Refuse values that the API does not take in a Secret of the type that is asked for."""
        self._place(path)
        check_type(wishes_of(options).type, payload, remove)

    async def read_version(self, path: tuple[str, ...]) -> str:
        """See `StoreDriver.read_version`. The values are not asked for."""
        return objects.version_of(await self._get(self._place(path), METADATA))

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.write`. Labels are added to those that are there."""
        self.check_payload(path, payload, remove=None, options=options)
        values = objects.values_of(payload)
        return await self._change(path, lambda _: values, replacing=replacing, write_tag=write_tag, options=options)

    async def patch(
        self,
        path: tuple[str, ...],
        changes: Payload | None,
        remove: Sequence[str],
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.patch`. The values that stay are sent back as they came."""
        self.check_payload(path, changes, remove=remove, options=options)
        new = objects.values_of(changes) if changes else {}

        def merged(found: objects.Object | None) -> dict[str, str]:
            if found is None:
                raise _conflict()
            old = {key: value for key, value in (found.get("data") or {}).items() if key not in remove}
            return _fitting({**old, **new}, found, most=self._config.max_plaintext)

        return await self._change(path, merged, replacing=replacing, write_tag=write_tag, options=options)

    async def delete(self, path: tuple[str, ...], *, replacing: str | None, destroy: bool) -> None:
        """See `StoreDriver.delete`: for good only, and exactly the version that was looked at."""
        self._require_deletable()
        if not destroy:
            raise UnsupportedError(
                "a cluster deletes for good only.",
                fix="Nothing was deleted. --destroy erases it for good.",
            )
        place = self._place(path)
        version = objects.version_of(await self._get(place, METADATA))
        if version == NOTHING or replacing not in {None, version}:
            raise _conflict()
        uid, _, number = version.partition(":")
        only = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid, "resourceVersion": number}}
        answer = await self._http.send("DELETE", place.url, body=only, writes=True)
        if answer.status == 409:
            raise _conflict()
        # If it is gone, we deleted it, or another client did in the same moment.
        if await self._version_after(path, version) == version:
            raise UnknownOutcomeError("the cluster took the deletion, but it does not show.", fix="Look it up.")

    async def find(self, path: tuple[str, ...], write_tag: str) -> str | None:
        """Return the version of that tag if it is the last write or the one before, and no value was changed since."""
        found = await self._get(self._place(path), METADATA)
        return None if found is None else objects.written_with(found, write_tag)

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        """See `StoreDriver.read`. Raises `CannotReadError` for a store that is configured as write-only, too."""
        self._require_readable()
        found = await self._get(self._place(path), JSON)
        version = objects.version_of(found)
        return None if found is None or version == NOTHING else Snapshot(version, objects.payload_of(found))

    async def health(self) -> bool:
        """Look up a Secret that does not exist; without a configured namespace, ask for the cluster's version."""
        namespace = self._config.namespace
        await self._http.send("GET", Place(namespace, "m8-probe").url if namespace else "/version")
        return True

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        await self._http.close()

    def _place(self, path: tuple[str, ...]) -> Place:
        return place_of(path, self._config.namespace)

    async def _get(self, place: Place, accept: str) -> objects.Object | None:
        answer = await self._http.send("GET", place.url, accept=accept)
        if answer.status == 409:
            raise objects.foreign()
        return objects.checked(answer.json()) if answer.ok else None

    async def _change(
        self, path: tuple[str, ...], values: Merge, *, replacing: str | None, write_tag: str, options: object | None
    ) -> str:
        """Make or replace the Secret, against exactly what was read."""
        self.check(path, options)
        place, wishes = self._place(path), wishes_of(options)
        for _ in range(_TRIES):
            found = await self._get(place, JSON)
            if replacing is not None and objects.version_of(found) != replacing:
                raise _conflict()
            if found is None:
                body = objects.made(place, values(None), wishes, write_tag)
                answer = await self._http.send("POST", place.collection + _AS_US, body=body, writes=True)
            elif found["metadata"].get("deletionTimestamp"):
                raise StoreUnavailableError("the Secret is still being deleted.", fix="Try again later.")
            else:
                body = objects.changed(found, values(found), wishes, write_tag)
                answer = await self._http.send("PUT", place.url + _AS_US, body=body, writes=True)
            if answer.ok:
                return _written(answer)
            version = await self._written_after_all(place, write_tag)
            if version is not None:
                return version
            if found is None and answer.status == 404:
                raise StoreRefusedError(
                    f"there is no namespace {place.namespace}.", fix="Make it, or correct the path."
                )
            if replacing is not None:
                break
        raise _conflict()

    async def _written_after_all(self, place: Place, write_tag: str) -> str | None:
        """Return the version of our write if the conflict was with that write itself, which the pool had sent twice."""
        try:
            found = await self._get(place, METADATA)
        except DriverError:
            found = None
        else:
            return None if found is None else objects.written_with(found, write_tag)
        raise UnknownOutcomeError("the cluster says conflict, and then nothing more.", fix="Look it up.")


def _fitting(values: dict[str, str], found: objects.Object, *, most: int) -> dict[str, str]:
    """Return the merged values if they are a valid secret that is not too large."""
    try:
        size = len(encode(objects.payload_of({**found, "data": values})))
    except (CannotReadError, UsageError):
        size = 0
    if not 0 < size <= most:
        raise StoreRefusedError("the Secret would hold no value, too many or too much.", fix="Change fewer keys.")
    return values


def _written(answer: HttpAnswer) -> str:
    try:
        return objects.version_of(answer.json())
    except StoreRefusedError:
        pass
    raise UnknownOutcomeError("the cluster took the write but named no version.", fix="Look it up.")


def _conflict() -> StoreConflictError:
    return StoreConflictError("the Secret in the cluster is not the version that was to be replaced.")
