"""What can be in no checkpoint is refused by the type, too, however it is made."""

from __future__ import annotations

import pytest

from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.forms import Fault, NoteError
from monoskope.protocol.tlog.merkle import MAX_SIZE

ROOT = b"r" * 32


@pytest.mark.parametrize(
    ("origin", "size", "root", "fault"),
    [
        ("a b", 1, ROOT, Fault.NAME),
        ("a", -1, ROOT, Fault.NUMBER),
        ("a", MAX_SIZE + 1, ROOT, Fault.NUMBER),
        ("a", 1, ROOT[:-1], Fault.ROOT),
        ("a", 0, ROOT, Fault.ROOT),
    ],
)
def test_no_checkpoint_is_made_of_it(origin: str, size: int, root: bytes, fault: Fault) -> None:
    with pytest.raises(NoteError) as refused:
        Checkpoint(origin, size, root)
    assert refused.value.fault is fault


def test_the_largest_size_is_read_and_written() -> None:
    checkpoint = Checkpoint("a", MAX_SIZE, ROOT)
    assert Checkpoint.parse(checkpoint.text) == checkpoint


@pytest.mark.parametrize("end", ["", "\nx", "\n\n", "\nx\n"])
def test_a_text_that_ends_otherwise_is_refused(end: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(Checkpoint("a", 1, ROOT).text.removesuffix("\n") + end)
