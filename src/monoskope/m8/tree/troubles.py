"""A trouble that lasts, told to the operating log once when it begins, or becomes another, and once when it ends."""

from __future__ import annotations

from monoskope import operating_log


class Trouble:
    """One thing that may be wrong.

    Args:
        begun: What the operating log calls its beginning.
        ended: And its end.
    """

    def __init__(self, begun: str, ended: str) -> None:
        self._begun = begun
        self._ended = ended
        self.sentence = ""
        """What is wrong now, "" if nothing is."""

    def say(self, sentence: str) -> None:
        """Take note of how it is now."""
        if sentence and sentence != self.sentence:
            operating_log.get().error(self._begun, message=sentence)
        elif self.sentence and not sentence:
            operating_log.get().info(self._ended)
        self.sentence = sentence
