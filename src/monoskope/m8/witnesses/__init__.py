"""Witnesses (c2sp.org/tlog-witness): m8 asks them to cosign its checkpoints, and stops if one has seen more than m8.

`settings` names them; `submission` says what an exchange means, without I/O; `witness` asks one of them,
and `witnesses` all at once. Nothing that a witness answers is believed before a signature verifies.
"""
