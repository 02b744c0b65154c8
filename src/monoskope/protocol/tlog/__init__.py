"""The witnessed log: its tree, its checkpoints, and the signed notes that carry them (docs/protocol.md).

The forms are C2SP's (c2sp.org), over the trees of RFC 6962, so that other people's tools read and make them, too:

- `merkle` and `tiles`: the tree, the proofs about it, and the pieces in which it is stored and served;
- `forms`, `checkpoint` and `note`: what a log says about its tree, and the note in which keys sign that;
- `vkey` and `log_key`: the public keys, and the two private ones of a log;
- `policy`: which signatures a checkpoint needs before its reader believes it.

Nothing here reads a file, a clock or the network. What is slow to load, ML-DSA, is loaded when it is first used.
"""
