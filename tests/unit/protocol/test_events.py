"""The state table, held against docs/protocol.md, The walk."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from monoskope.protocol.events import Step, advance
from monoskope.protocol.outcomes import Author, State, WrongStepError

ALLOWED = {
    (State.NEW, Step.KEY_REQUESTED, Author.M8): State.REQUESTED,
    (State.REQUESTED, Step.KEY_PROVIDED, Author.REPLICA): State.GRANTED,
    (State.REQUESTED, Step.KEY_PROVIDED, Author.ISSUER): State.GRANTED,
    (State.GRANTED, Step.UPLOAD_REQUESTED, Author.M8): State.UPLOADING,
    (State.UPLOADING, Step.STARTED, Author.ISSUER): State.WRITING,
    (State.UPLOADING, Step.UNCHANGED, Author.ISSUER): State.ENDED,
    (State.UPLOADING, Step.COMPARED, Author.ISSUER): State.ENDED,
    (State.UPLOADING, Step.VERIFIED, Author.ISSUER): State.ENDED,
    (State.UPLOADING, Step.DRIFT_DETECTED, Author.ISSUER): State.ENDED,
    (State.UPLOADING, Step.IMPORTED, Author.ISSUER): State.ENDED,
    (State.UPLOADING, Step.LISTED, Author.ISSUER): State.ENDED,
    (State.WRITING, Step.UPLOADED, Author.REPLICA): State.ENDED,
    (State.WRITING, Step.UPLOADED, Author.ISSUER): State.ENDED,
    (State.WRITING, Step.DELETED, Author.REPLICA): State.ENDED,
    (State.WRITING, Step.DELETED, Author.ISSUER): State.ENDED,
    (State.WRITING, Step.UNDELETED, Author.REPLICA): State.ENDED,
    (State.WRITING, Step.UNDELETED, Author.ISSUER): State.ENDED,
    (State.WRITING, Step.ROLLED_BACK, Author.REPLICA): State.ENDED,
    (State.WRITING, Step.ROLLED_BACK, Author.ISSUER): State.ENDED,
    (State.WRITING, Step.COPIED, Author.ISSUER): State.ENDED,
    (State.REQUESTED, Step.FAILED, Author.M8): State.ENDED,
    (State.GRANTED, Step.FAILED, Author.M8): State.ENDED,
    (State.UPLOADING, Step.FAILED, Author.M8): State.ENDED,
    **{
        (state, Step.FAILED, author): State.ENDED
        for state in (State.REQUESTED, State.GRANTED, State.UPLOADING, State.WRITING)
        for author in (Author.REPLICA, Author.ISSUER)
    },
}


@pytest.mark.parametrize(("state", "step", "author"), list(itertools.product(State, Step, Author)))
def test_every_step_in_every_state_is_as_the_table_says(state: State, step: Step, author: Author) -> None:
    if (state, step, author) in ALLOWED:
        assert advance(state, step, author) is ALLOWED[state, step, author]
    else:
        with pytest.raises(WrongStepError) as caught:
            advance(state, step, author)
        assert step.title in str(caught.value)


OF_THE_ISSUER = {
    Step.STARTED,
    Step.UNCHANGED,
    Step.COMPARED,
    Step.VERIFIED,
    Step.DRIFT_DETECTED,
    Step.IMPORTED,
    Step.COPIED,
}


class Walk(RuleBasedStateMachine):
    """Whatever is tried in whatever order: a write needs an intent, an end is final, m8 never ends a write."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State.NEW
        self.history: list[tuple[Step, Author]] = []

    @rule(step=st.sampled_from(Step), author=st.sampled_from(Author))
    @precondition(lambda self: len(self.history) < 20)
    def attempt(self, step: Step, author: Author) -> None:
        was = self.state
        try:
            self.state = advance(self.state, step, author)
        except WrongStepError:
            assert self.state is was
            return
        self.history.append((step, author))
        assert was is not State.ENDED
        assert not (was is State.WRITING and author is Author.M8)

    @invariant()
    def a_write_needs_an_intent(self) -> None:
        steps = [step for step, _ in self.history]
        if Step.UPLOADED in steps:
            assert steps == [Step.KEY_REQUESTED, Step.KEY_PROVIDED, Step.UPLOAD_REQUESTED, Step.STARTED, Step.UPLOADED]

    @invariant()
    def only_the_issuer_answers_a_sealed_secret(self) -> None:
        for step, author in self.history:
            if step in OF_THE_ISSUER:
                assert author is Author.ISSUER


Walk.TestCase.settings = settings(stateful_step_count=30)
TestWalk = Walk.TestCase
