"""The state machine: what users and administrators do, step by step, to the model and to the real parts at once."""

from __future__ import annotations

from typing import Any

from hypothesis.stateful import initialize, invariant

from tests.model.administration import Administration
from tests.model.asking import CONTENTS, HOT, MEMBERS, RIGHTS, tokens
from tests.model.parts import Parts
from tests.model.questions import Questions
from tests.model.world import STORES
from tests.model.writes import Writes

BEGUN = (
    (HOT, CONTENTS[0]),
    (HOT, CONTENTS[1]),
    ("right://team/a", CONTENTS[2]),
    ("left://team/b", CONTENTS[3]),
)
"""What is put at the beginning of each example. The last one is deleted."""


class Machine(Writes, Questions, Administration, Parts):
    """Each rule asks the model what must come of it, does it, and compares."""

    @initialize(target=tokens)
    def begin(self) -> Any:
        """Begin with stores that have a reactor each, one user who may do everything there, and what that user put.

        Hypothesis leaves some rules out of each example: what is put here can be rolled back, copied and undeleted in
        those that have no put.
        """
        for store in STORES:
            self.create(store)
            self.switch(store, off=False)
            self.attach(store, 0, 0)
            self.bind(f"all-{store}", MEMBERS[0], f"{store}://", frozenset(RIGHTS), 0)
        token = self.ticket(MEMBERS[0], 30, 0)
        for uri, content in BEGUN:
            self.put(uri, content, "ANY", {"team": "a"}, "2031-01-01", token, 0)
        self.delete(BEGUN[-1][0], "ANY", False, token, 1)
        return token

    def teardown(self) -> None:
        """Look once more at everything, and end it."""
        try:
            self.do(self.looks.log_holds())
        finally:
            self.do(self.world.close())
            self.runner.close()

    @invariant()
    def users_see_what_the_model_says(self) -> None:
        self.do(self.looks.everybody_sees())

    @invariant()
    def the_stores_are_those_of_the_model(self) -> None:
        self.do(self.looks.stores_hold())

    @invariant()
    def the_log_continues(self) -> None:
        self.do(self.looks.log_grows())
