"""The witnessed log: the tree over the event log, its checkpoints, when m8 may sign one, and who cosigns it.

Witnesses (c2sp.org/tlog-witness) cosign checkpoints, and m8 stops if one has seen more than m8. `witness_settings`
names them; `cosigning` says when they are asked; `submission` says what an exchange means, without I/O;
`witness_client` asks one of them, and `witnesses` all at once. Nothing that a witness answers
is believed before a signature verifies.
"""
