"""Monoskope: put secrets into the stores you have, through a control plane that cannot read them."""

from __future__ import annotations

__version__: str
"""The version that is installed, e.g. "0.1.0"."""


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415 - it takes time, and few ask

    return version("monoskope")
