"""How the state machine is run: `make model` from a seed, `make test` the same few steps each time."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine

POLL_S = 0.002
"""How often each m8 looks for what the other one wrote to their file, in seconds."""


def run(number: int, *, examples: int, steps: int, shrink: bool = False) -> None:
    """Run the examples of a seed; raise what the first one that fails raised, with its steps printed."""
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        verbosity=Verbosity.normal,
        phases=phases,
    )

    @seed(number)
    class Seeded(Machine):
        pass

    run_state_machine_as_test(Seeded, settings=how)
