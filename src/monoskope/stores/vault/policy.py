"""The least rights that the drivers `vault` and `vault-kv1` work with, in the engine's policy language."""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.stores.vault.config import VaultConfig

_EVERYTHING: tuple[tuple[str, ...], ...] = ((),)


def policy_of(config: VaultConfig, prefixes: Sequence[tuple[str, ...]] = _EVERYTHING) -> str:
    """Return the narrowest policy for KV version 2 under `config`, for a reactor that serves `prefixes`."""
    return least_policy(
        mount=config.mount,
        prefix=config.prefix,
        readable=config.readable,
        patchable=config.patchable,
        binary=config.binary,
        delete=config.deletable,
        restore=config.restorable,
        listing=config.listable,
        prefixes=prefixes,
    )


def least_policy(
    *,
    mount: str = "secret",
    prefix: str = "",
    readable: bool = False,
    patchable: bool = False,
    binary: bool = False,
    delete: bool = False,
    restore: bool = False,
    listing: bool = False,
    prefixes: Sequence[tuple[str, ...]] = _EVERYTHING,
) -> str:
    """Return the text of the narrowest policy for a store with this configuration, KV version 2.

    Besides it the token needs the engine's `default` policy, by which it looks up and renews itself.

    Args:
        mount: As in the store's configuration.
        prefix: As in the store's configuration; nothing outside it is granted.
        readable: Grant reading values back, for a store with `readable = true`.
        patchable: Grant changing some keys of a secret, for a store with `patchable = true`. It reads nothing.
        binary: Grant flagging paths, for a store with `binary = true`.
        delete: Grant deleting and destroying single versions, for a store with `deletable = true`.
        restore: Grant undeleting single versions, for a store with `restorable = true`. It reads nothing.
        listing: Grant listing names, for a store with `listable = true`.
        prefixes: The paths that the reactor serves, `()` for all.
    """
    data = ["create", "update", *(["read"] if readable else []), *(["patch"] if patchable else [])]
    metadata = ["read", *(["create", "patch"] if binary else []), *(["list"] if listing else [])]
    granted = {"data": data, "metadata": metadata}
    if delete:
        granted |= {"delete": ["update"], "destroy": ["update"]}
    if restore:
        granted |= {"undelete": ["update"]}
    places = _places(prefix, prefixes)
    return _text({f"{mount}/{part}/{place}": rights for part, rights in granted.items() for place in places})


def kv1_policy(config: VaultConfig, prefixes: Sequence[tuple[str, ...]] = _EVERYTHING) -> str:
    """Return the narrowest policy for KV version 1 under `config`, for a reactor that serves `prefixes`.

    A store that may not read values may list names instead, or it could not tell whether anything is there.
    """
    read = "read" if config.readable else "list"
    more = ["list"] if config.listable and config.readable else []
    rights = ["create", "update", read, *more, *(["delete"] if config.deletable else [])]
    rules: dict[str, list[str]] = {}
    for place in _places(config.prefix, prefixes):
        # The engine takes a rule for `a` for that of the folder `a/`, too, before it looks at one for `a/*`.
        rules[f"{config.mount}/{place}"] = rights
        if not place.endswith("*") and not config.readable:
            rules[f"{config.mount}/{place}".rpartition("/")[0] + "/"] = ["list"]
    return _text(rules)


def _places(prefix: str, prefixes: Sequence[tuple[str, ...]]) -> list[str]:
    """Return what follows the mount: each prefix itself, where it can be a secret, and all below it."""
    found: list[str] = []
    for path in prefixes:
        place = "/".join((*([prefix] if prefix else []), *path))
        found += [*([place] if path else []), f"{place}/*" if place else "*"]
    return list(dict.fromkeys(found))


def _text(rules: dict[str, list[str]]) -> str:
    return "\n".join(_rule(path, rights) for path, rights in rules.items())


def _rule(path: str, capabilities: list[str]) -> str:
    granted = ", ".join(f'"{capability}"' for capability in capabilities)
    return f'path "{path}" {{\n  capabilities = [{granted}]\n}}\n'
