"""Fuzz everything that reads bytes of others: `make fuzz SECONDS=1200 SEED=7`.

`table` names each reader, whose bytes it reads and what it must do. atheris follows the coverage where it has a wheel;
elsewhere a loop of our own changes the inputs of the corpus. `sshsig` has a loop of its own, with ssh-keygen beside it.
"""
