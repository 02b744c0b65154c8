"""The least rights that the driver `kubernetes` works with, as RBAC objects to apply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from monoskope.stores.kubernetes.config import KubernetesConfig

NAME = "monoskope-reactor"


def least_role(config: KubernetesConfig, prefixes: Sequence[tuple[str, ...]]) -> str:
    """Return the narrowest roles for `config`, for a reactor that serves `prefixes`; they are bound by you.

    The cluster has no right to make Secrets of certain names alone, so a role is never narrower than a namespace.
    """
    verbs = ["create", "get", "update", *(["delete"] if config.deletable else [])]
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": verbs}]
    namespaces = [config.namespace] if config.namespace else sorted({path[0] for path in prefixes if path})
    if not config.namespace and () in prefixes:
        return _text([_role("ClusterRole", {}, rules)])
    return _text([_role("Role", {"namespace": namespace}, rules) for namespace in namespaces])


def _role(kind: str, place: dict[str, Any], rules: list[dict[str, Any]]) -> dict[str, Any]:
    metadata = {"name": NAME, **place}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": rules}


def _text(objects: list[dict[str, Any]]) -> str:
    text: str = yaml.safe_dump_all(objects, sort_keys=False)
    return text
