"""A group of commands whose modules are imported when they are asked for: some need more packages than others."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import click

from monoskope import start


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    places: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """The name of each command, and `module:attribute`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's own signature
        """Return the names of all commands."""
        return sorted(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command `cmd_name`, None if there is none."""
        if cmd_name not in self.places:
            return None
        module, _, attribute = self.places[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        start.loaded()
        return command
