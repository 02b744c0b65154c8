"""How the state machine is run: `make model` from a seed, `make test` the same few steps each time."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from monoskope.testing.engines.postgres import Postgres
from tests.model.machine import Machine

POLL_S = 0.002
"""How often each m8 looks for what the other one wrote to their file, in seconds."""


def run(
    number: int, *, examples: int, steps: int, shrink: bool = False, postgres: Postgres | None = None
) -> Counter[str]:
    """Run the examples of a seed, on a log in SQLite or in `postgres`, and return how often each rule ended how.

    Raises what the first example that fails raised, and prints its steps.
    """
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=Verbosity.normal,
        phases=phases,
    )

    @seed(number)
    class Seeded(Machine):
        tally: ClassVar[Counter[str]] = Counter()

    Seeded.postgres = postgres
    run_state_machine_as_test(Seeded, settings=how)
    return Seeded.tally
