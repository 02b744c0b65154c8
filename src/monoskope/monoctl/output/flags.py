"""The SDK's errors name its parameters and methods, as in `timeout=`; users of `monoctl` know flags and commands."""

from __future__ import annotations

import re
from types import MappingProxyType

from monoskope.late import pattern

FLAGS = MappingProxyType(
    {
        "binary": "--binary",
        "ca_file": "--ca-file",
        "config": "--config",
        "default_store": "--default-store",
        "expect": "--expect",
        "keep": "--keep",
        "known_stores": "--known-stores",
        "server": "--server",
        "timeout": "--timeout",
        "token_file": "--token-file",
    }
)
"""Parameter to flag, where a value follows as it is."""

_PHRASES = MappingProxyType(
    {
        "`expect=Expect.OVERWRITE`": "--overwrite",
        "`options=`": "options given (--binary, --aws-…, --kubernetes-…)",
        "`log_vkeys=`": "--log-vkey KEY --log-vkey KEY",
        "`store_identities=`": "--store-identity STORE=SHA256:…",
    }
)
_METHODS = MappingProxyType(
    {
        "`list_secret_versions()`": "`monoctl get secret --versions`",
        "`with_browser()`": "`monoctl login`, also with --no-browser",
        "`with_device()`": "`monoctl login --device`",
    }
)
"""Method to the command that shows the same."""

_PARAMETER = pattern(r"`([a-z_]+)=([^`]*)`")


def with_flags(text: str) -> str:
    """Return a sentence of the SDK's with flags in place of its parameters, and commands in place of its methods."""
    for method, command in _METHODS.items():
        text = text.replace(method, command)
    return _PARAMETER.sub(_flag, text)


def _flag(found: re.Match[str]) -> str:
    if found[0] in _PHRASES:
        return _PHRASES[found[0]]
    name, value = found.groups()
    return f"{FLAGS[name]} {value}".rstrip() if name in FLAGS else found[0]
