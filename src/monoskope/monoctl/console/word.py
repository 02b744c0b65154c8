"""The word by which the person at the terminal that serves the console agrees: no page can say it.

What the page shows and sends passes through a browser. So an approval by a key that signs without a touch takes a word
that is typed in the terminal, below what this program itself decoded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from monoskope.errors import ConflictError, RefusedError, TimedOutError, UsageError

WITHIN_S = 120.0
"""How long the person has."""
_AGAIN = "Press “Approve” again."


class Word:
    """Asks the person at the terminal, one question at a time.

    Args:
        say: Says a line there.
        within_s: Seconds for an answer.

    Attributes:
        can_be_typed: Whether there is a terminal, in which lines are heard.
    """

    def __init__(self, say: Callable[[str], None], *, within_s: float = WITHIN_S) -> None:
        self.can_be_typed = False
        self._say = say
        self._within_s = within_s
        self._answer: asyncio.Future[str] | None = None

    def __repr__(self) -> str:
        return f"<Word {self.can_be_typed}>"

    def heard(self, line: str) -> bool:
        """Take a line that was typed. Return whether it answered a question."""
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_result(line.strip())
        return True

    def require(self) -> None:
        """Raise `RefusedError` if nothing can be typed."""
        if not self.can_be_typed:
            raise RefusedError(
                "this console has no terminal in which you could agree, and your key signs without a touch.",
                fix="Start `monoctl console` in a terminal, use `monoctl approve` in one, or sign with a security key.",
            )

    def show(self, lines: Sequence[str]) -> None:
        """Say lines where the console says everything, also if nothing can be typed there."""
        for line in lines:
            self._say(line)

    async def agreed(self, lines: Sequence[str], word: str) -> None:
        """Show lines in the terminal, and return once `word` was typed below them.

        Raises:
            RefusedError: there is no terminal.
            ConflictError: another question is open.
            UsageError: something else was typed.
            TimedOutError: nothing was typed in time.
        """
        self.require()
        if self._answer is not None:
            raise ConflictError(
                "your terminal asks about another change already; nothing was signed.", fix="Answer there first."
            )
        self._answer = asyncio.get_running_loop().create_future()
        self.show([*lines, f"To sign exactly this, type: {word}", "Anything else signs nothing."])
        try:
            async with asyncio.timeout(self._within_s):
                typed = await self._answer
        except TimeoutError:
            self._say("Nothing was typed in time: nothing was signed.")
            raise TimedOutError(
                f"nothing was typed in the terminal within {self._within_s:g} s; nothing was signed.", fix=_AGAIN
            ) from None
        finally:
            self._answer = None
        if typed != word:
            self._say("That is not the word: nothing was signed.")
            raise UsageError("what was typed in the terminal is not the word; nothing was signed.", fix=_AGAIN)

    def end(self) -> None:
        """Answer the open question with no: the console ends."""
        self.heard("")
