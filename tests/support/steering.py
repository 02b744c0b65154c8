"""The characters that can steer a terminal, or hide in its text."""

from __future__ import annotations

_RANGES = (
    (0x00, 0x1F),  # C0
    (0x7F, 0x9F),  # DEL, C1
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),  # fillers of Hangul, of which there are two more
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),  # variation selectors of Mongolian
    (0x200B, 0x200F),  # no width, bidirectional marks
    (0x2028, 0x202E),  # separators, bidirectional controls
    (0x2060, 0x2060),
    (0x2066, 0x2069),  # bidirectional isolates
    (0x2800, 0x2800),  # the Braille blank
    (0x3164, 0x3164),
    (0xD800, 0xDFFF),  # lone surrogates
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),
    (0x13441, 0x13442),  # blanks of hieroglyphs
    (0x16FE4, 0x16FE4),
    (0x1D159, 0x1D159),
    (0xE0000, 0xE007F),  # tags
    (0xE0100, 0xE01EF),  # more variation selectors
)
STEERING = frozenset(chr(code) for first, last in _RANGES for code in range(first, last + 1))
"""What must not reach a terminal."""
