"""The witnessed log: its tree, its checkpoints, and the signed notes that carry them (docs/protocol.md).

The forms are C2SP's (c2sp.org), over the trees of RFC 6962, so that other people's tools read and make them, too:

- `merkle` and `tiles`: the tree, the proofs about it, and the pieces in which it is stored and served;
- `forms` and `checkpoint`: what a log says about its tree, and the public keys that verify it;
- `note`: in which keys sign that, and which signatures a reader demands before it believes a checkpoint;
- `log_key`: the two private keys of a log; `proof_file` and `upload_proof`: proofs that are checked without a server.

Nothing here reads a file, a clock or the network. What is slow to load, ML-DSA, is loaded when it is first used.
"""
