"""The least rights that the driver `vault` works with, in the engine's policy language."""

from __future__ import annotations


def least_policy(
    *,
    mount: str = "secret",
    prefix: str = "",
    readable: bool = False,
    patchable: bool = False,
    binary: bool = False,
    delete: bool = False,
) -> str:
    """Return the text of the narrowest policy for a store with this configuration.

    Besides it the token needs the engine's `default` policy, by which it looks up and renews itself.

    Args:
        mount: As in the store's configuration.
        prefix: As in the store's configuration; nothing outside it is granted.
        readable: Grant reading values back, for a store with `readable = true`.
        patchable: Grant changing some keys of a secret, for a store with `patchable = true`. It reads nothing.
        binary: Grant flagging paths, for a store that is to take values that are not text.
        delete: Grant deleting and destroying single versions.
    """
    below = f"{prefix}/*" if prefix else "*"
    data = ["create", "update", *(["read"] if readable else []), *(["patch"] if patchable else [])]
    metadata = ["read", *(["create", "patch"] if binary else [])]
    rules = [_rule(f"{mount}/data/{below}", data), _rule(f"{mount}/metadata/{below}", metadata)]
    if delete:
        rules += [_rule(f"{mount}/{part}/{below}", ["update"]) for part in ("delete", "destroy")]
    return "\n".join(rules)


def _rule(path: str, capabilities: list[str]) -> str:
    granted = ", ".join(f'"{capability}"' for capability in capabilities)
    return f'path "{path}" {{\n  capabilities = [{granted}]\n}}\n'
