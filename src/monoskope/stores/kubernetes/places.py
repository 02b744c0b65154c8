"""Which Secret a path is, and what an upload's options may say: the rules of the API, kept before any key is made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from monoskope.api.secrets.v1.options_pb2 import KubernetesOptions
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.kubernetes.config import is_namespace

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
_TYPE = re.compile(r"[A-Za-z0-9./_-]{1,253}", re.ASCII)
_MAX_NAME = 253
_POWERFUL = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})
"""Types whose Secrets are credentials of the cluster itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """One Secret of the cluster."""

    namespace: str
    name: str

    @property
    def collection(self) -> str:
        """The API's path of all Secrets of the namespace."""
        return f"/api/v1/namespaces/{self.namespace}/secrets"

    @property
    def url(self) -> str:
        """The API's path of the Secret."""
        return f"{self.collection}/{self.name}"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What an upload's options ask for."""

    type: str = ""
    labels: dict[str, str] = field(default_factory=dict)


def place_of(path: tuple[str, ...], namespace: str | None) -> Place:
    """Return the Secret that `path` names, one to one.

    Raises:
        StoreRefusedError: the path has other segments than those, or one that the cluster does not take.
    """
    found = (namespace, *path) if namespace else path
    if len(found) != 2:
        raise StoreRefusedError(
            "a path in this store is a Secret's name." if namespace else "a path in this store is NAMESPACE/NAME.",
            fix="Write no more and no fewer segments.",
        )
    place = Place(str(found[0]), found[1])
    if not is_namespace(place.namespace):
        raise StoreRefusedError(
            "a namespace has 1 to 63 of a-z, 0-9 and '-', neither first nor last a '-'.", fix="Correct the path."
        )
    if len(place.name) > _MAX_NAME or _NAME.fullmatch(place.name) is None:
        raise StoreRefusedError(
            "a Secret's name has 1 to 253 of a-z, 0-9, '-' and '.', a letter or digit at each end and beside each dot.",
            fix="Correct the path.",
        )
    return place


def wishes_of(options: object | None) -> Wishes:
    """Return what the options ask for.

    Raises:
        StoreRefusedError: they are not those of such a store, or the cluster takes no such label or type.
    """
    if options is None:
        return Wishes()
    if not isinstance(options, KubernetesOptions):
        raise StoreRefusedError("these options are not for a Kubernetes store.", fix="Leave them out.")
    if options.type in _POWERFUL:
        raise StoreRefusedError("Secrets of this type are credentials of the cluster itself.", fix="Choose another.")
    if options.type and _TYPE.fullmatch(options.type) is None:
        raise StoreRefusedError("a Secret's type is a name such as kubernetes.io/tls.", fix="Correct it.")
    for label in options.labels:
        prefix, slash, name = label.name.rpartition("/")
        if slash and (len(prefix) > _MAX_NAME or _NAME.fullmatch(prefix) is None):
            raise StoreRefusedError("the prefix of a label is a domain's name.", fix="Rename the label.")
        if _LABEL.fullmatch(name) is None or (label.value and _LABEL.fullmatch(label.value) is None):
            raise StoreRefusedError(
                "a label's name and value have at most 63 letters, digits and - _ ., a letter or digit at each end.",
                fix="Change the label.",
            )
    return Wishes(options.type, {label.name: label.value for label in options.labels})
