"""The characters that can steer a terminal, or hide in its text."""

from __future__ import annotations

_RANGES = (
    (0x00, 0x1F),  # C0
    (0x7F, 0x9F),  # DEL, C1
    (0x061C, 0x061C),
    (0x200B, 0x200F),  # no width, bidirectional marks
    (0x2028, 0x202E),  # separators, bidirectional controls
    (0x2060, 0x2060),
    (0x2066, 0x2069),  # bidirectional isolates
    (0xD800, 0xDFFF),  # lone surrogates
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xE0000, 0xE007F),  # tags
)
STEERING = frozenset(chr(code) for first, last in _RANGES for code in range(first, last + 1))
"""What must not reach a terminal."""
