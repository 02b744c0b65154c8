"""A trouble that lasts, told to the operating log once when it begins, or becomes another, and once when it ends."""

from __future__ import annotations

from monoskope import operating_log


class Trouble:
    """One thing that may be wrong.

    Args:
        begun: What the operating log calls its beginning.
        ended: And its end.
        warns: Whether m8 goes on as before meanwhile: then it is a warning, and no error.
    """

    def __init__(self, begun: str, ended: str, *, warns: bool = False) -> None:
        self._warns = warns
        self._begun = begun
        self._ended = ended
        self.sentence = ""
        """What is wrong now, "" if nothing is."""

    def say(self, sentence: str) -> None:
        """Take note of how it is now."""
        if sentence and sentence != self.sentence:
            log = operating_log.get()
            (log.warning if self._warns else log.error)(self._begun, message=sentence)
        elif self.sentence and not sentence:
            operating_log.get().info(self._ended)
        self.sentence = sentence
