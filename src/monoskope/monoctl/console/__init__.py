"""`monoctl console`: a page on loopback that pins, seals and sends as commands do, for people without a terminal."""
