"""`m8 serve`, apart from the commands that need nothing of what serves."""

from __future__ import annotations

import os
from pathlib import Path

import click

from monoskope import event_loop, failpoints, start
from monoskope.m8 import bootstrap, settings
from monoskope.m8.cli.common import folder_option
from monoskope.m8.init import check_owners


@click.command()
@folder_option
def serve(folder: Path) -> None:
    """Run the server until SIGTERM or Ctrl-C."""
    warnings = [sentence for sentence in (failpoints.arm(os.environ), start.warning()) if sentence]
    loaded = settings.load(folder)
    check_owners(loaded)
    event_loop.run(bootstrap.serve(loaded, warnings=warnings))
