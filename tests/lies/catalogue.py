"""The whole catalogue, and what of it each change tells.

python -m tests.lies.catalogue      prints it as a table, with counts
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.lies.about import (
    commands,
    copies,
    deliveries,
    ends,
    former,
    keys,
    log,
    logins,
    questions,
    refusals,
    sending,
    servers,
    stores,
    time,
)
from tests.lies.approved import deliveries as approved_deliveries
from tests.lies.approved import judges, people, replicas
from tests.lies.approved.row import ApprovalLie
from tests.lies.lie import Lie, Step, Victim
from tests.lies.signed import approvals as signed_approvals
from tests.lies.signed import copies as signed_copies
from tests.lies.signed import grants, receipts, rotations, signatures
from tests.lies.signed.row import SignedLie

PROXIED: tuple[Lie, ...] = (
    *stores.LIES,
    *keys.LIES,
    *sending.LIES,
    *ends.LIES,
    *refusals.LIES,
    *time.LIES,
    *deliveries.LIES,
    *copies.LIES,
    *questions.LIES,
    *commands.LIES,
    *servers.LIES,
    *logins.LIES,
    *log.LIES,
    *former.LIES,
)
"""What the proxy tells, which has no key of a store."""

SIGNED: tuple[SignedLie, ...] = (
    *rotations.LIES,
    *grants.LIES,
    *receipts.LIES,
    *signatures.LIES,
    *signed_copies.LIES,
    *signed_approvals.LIES,
)
"""What the scripted m8 tells, which signs as the stores."""

APPROVED: tuple[ApprovalLie, ...] = (*approved_deliveries.LIES, *people.LIES, *judges.LIES, *replicas.LIES)
"""What the proxy tells of changes and approvals."""

CATALOGUE: tuple[Lie, ...] = (*PROXIED, *SIGNED, *APPROVED)

AT_ONCE = 2
"""To how many purposes a lie is told at each change; `make lies` tells it to all."""


def plan(lie: Lie, *, every: bool) -> list[str]:
    """Return the purposes to which a lie is told.

    At each change a lie meets the next purpose in turn, or the next few where a step has few lies, so that each purpose
    is met at each step. Silence and processes take their time, and meet one; what a store signs always meets a few.
    """
    if every:
        return [*lie.purposes]
    family: Sequence[Lie] = SIGNED if isinstance(lie, SignedLie) else PROXIED
    alike = [one for one in family if (one.step, len(one.purposes)) == (lie.step, len(lie.purposes))]
    at, count = alike.index(lie), len(lie.purposes)
    each = 1 if len(alike) >= count and family is PROXIED else min(AT_ONCE, count)
    slow = lie.silent or lie.against is Victim.COMMAND
    return [lie.purposes[(at * each + number) % count] for number in range(1 if slow else each)]


def plan_approved(lie: ApprovalLie, *, every: bool) -> list[str]:
    """Return the purposes for which a lie about a change is told: at each change one, each in turn."""
    return [*lie.purposes] if every else [lie.purposes[APPROVED.index(lie) % len(lie.purposes)]]


def table() -> str:
    lines = [f"{'step':<28}{'against':<10}{'m8 says':<62}{'purposes':<10}the victim says"]
    for lie in CATALOGUE:
        end = lie.code.value if lie.code is not None else "the truth"
        lines.append(f"{lie.step.value:<28}{lie.against.value:<10}{lie.name:<62}{len(lie.purposes):<10}{end}")
    steps, victims = Counter(lie.step for lie in CATALOGUE), Counter(lie.against for lie in CATALOGUE)
    lines += ["", *(f"{steps[step]:>5}  {step.value}" for step in Step if steps[step])]
    lines += ["", *(f"{victims[victim]:>5}  against {victim.value}" for victim in Victim)]
    told = sum(len(lie.purposes) for lie in CATALOGUE)
    return "\n".join([*lines, "", f"{len(CATALOGUE)} lies, told for {told} pairs of a lie and a purpose."])


if __name__ == "__main__":
    print(table())  # noqa: T201 - it is what the user asked for
