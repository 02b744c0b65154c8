"""The steps of `m8 init` in their order, and how they run. Each can be named alone; each may run again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import click

from monoskope.m8.cli.setup.backups import back_up
from monoskope.m8.cli.setup.context import Setup
from monoskope.m8.cli.setup.database import prepare_database
from monoskope.m8.cli.setup.finish import finish
from monoskope.m8.cli.setup.folder import choose_certificate, lay_out_folder
from monoskope.m8.cli.setup.people import name_administrator, trust_issuer
from monoskope.m8.cli.setup.units import write_units

STEPS: Mapping[str, Callable[[Setup], str]] = MappingProxyType(
    {
        "folder": lay_out_folder,
        "database": prepare_database,
        "tls": choose_certificate,
        "issuer": trust_issuer,
        "administrator": name_administrator,
        "backup": back_up,
        "units": write_units,
        "finish": finish,
    }
)
"""Each step does what is missing and returns what is so now, in a few words."""


def run(setup: Setup, names: Sequence[str]) -> None:
    """Run steps, in the order of `STEPS`; all of them if none is named.

    Raises:
        click.Abort: Ctrl-C. What was done stays, and the next run goes on there.
        Error: as the steps.
    """
    if not names:
        setup.asked.require_all()
    for name in STEPS if not names else [step for step in STEPS if step in names]:
        try:
            done = STEPS[name](setup)
        except (click.Abort, KeyboardInterrupt, EOFError):
            again = " ".join(names)
            click.echo(f"\nStopped at the step {name}. To go on: m8 init{again and ' '}{again}{setup.here}", err=True)
            raise click.Abort from None
        setup.asked.say(f"{name:14}{done}")
