"""Fuzz what reads signatures, keys, certificates and lists of signers: `make fuzz-sshsig SECONDS=3600`.

The loop is our own: it knows the fields, signs anew what it changed, and asks `ssh-keygen`. It needs no package.
"""
