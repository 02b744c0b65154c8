"""The first `reactor.toml`, with an engine table to fill in (vault, barbican, pass, aws-…) or ready to run (age)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli_w

from monoskope.errors import UsageError
from monoskope.reactor.settings import ReactorFile
from monoskope.reactor.settings_argument import SETTINGS_FILE
from monoskope.settings import convert, write_private

AGE_IDENTITY = "engine.agekey"

_AWS_NOTES = """\
# Credentials: the AWS SDK's own chain (AWS_* variables, profile, web identity, instance role). None stand here.
# layout = "raw" stores one value as it is, under the key that raw_key names; "json" an object of all values.
# kms_key_id = "alias/m8" encrypts with a key of yours. Policy and limits: docs/stores/aws.md.
"""
_KUBERNETES_NOTES = """\
# Experimental: this driver has met no real API server yet. Paths are NAMESPACE/NAME; with namespace = "…" just names.
# Outside a cluster: auth = { method = "kubeconfig", file = "…" }. Roles and limits: docs/stores/kubernetes.md.
"""
_NOTES = {"aws-secretsmanager": _AWS_NOTES, "aws-ssm": _AWS_NOTES, "kubernetes": _KUBERNETES_NOTES}
"""Comments for the engine's table, by kind."""


def write(
    folder: Path,
    *,
    server: str,
    ca_file: Path,
    store: str,
    prefixes: list[str],
    kind: str,
    allow_swap: bool = False,
) -> None:
    """Write the settings of a new reactor into `folder`, an absolute path. Raises `UsageError` for a bad value."""
    table: dict[str, Any] = {
        "server": server,
        "ca_file": str(ca_file),
        "store": store,
        "prefixes": prefixes,
        "engine": {"type": kind, **_engine(kind, folder)},
        "limits": {},
    }
    if allow_swap:
        table["allow_swap"] = True
    convert(table, ReactorFile, where=SETTINGS_FILE)
    text = tomli_w.dumps(table).replace("[engine]\n", f"[engine]\n{_NOTES.get(kind, '')}", 1)
    write_private(folder / SETTINGS_FILE, text.encode())


def _engine(kind: str, folder: Path) -> dict[str, Any]:
    return _age(folder) if kind == "age" else _to_fill_in(folder).get(kind, {})


def _to_fill_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Tables in which an administrator has something to fill in, by kind."""
    vault = {
        "address": "https://127.0.0.1:8200",
        "mount": "secret",
        "readable": False,
        "deletable": False,
        "auth": {
            "method": "approle",
            "role_id": "fill-in",
            "wrapped_secret_id_file": str(folder / "wrapped-secret-id"),
        },
    }
    aws = {"region": "eu-central-1", "prefix": "m8", "layout": "json", "readable": False, "deletable": False}
    return {
        "vault": vault | {"patchable": False, "binary": False},
        "vault-kv1": vault,
        "barbican": {
            "address": "https://127.0.0.1:9311",
            "readable": False,
            "auth": {
                "method": "application_credential",
                "auth_url": "https://127.0.0.1:5000/v3",
                "id": "fill-in",
                "secret_file": str(folder / "application-credential"),
            },
        },
        "pass": {"folder": "/fill/in", "gpg_home": str(folder / "gnupg"), "readable": False},
        "aws-secretsmanager": aws | {"recovery_window_days": 30},
        "aws-ssm": aws | {"tier": "standard"},
        "kubernetes": {"auth": {"method": "in-cluster"}, "readable": False, "deletable": False},
    }


def _age(folder: Path) -> dict[str, Any]:
    import pyrage  # noqa: PLC0415 - only this kind of store needs it

    identity = folder / AGE_IDENTITY
    if identity.exists():
        raise UsageError(f"{identity} exists already.", fix="Name a new folder.")
    key = pyrage.x25519.Identity.generate()
    write_private(identity, f"{key}\n".encode("ascii"))
    return {
        "folder": str(folder / "secrets"),
        "recipients": [str(key.to_public())],
        "identity_file": str(identity),
    }
