"""Fuzz what reads signatures, keys, certificates and lists of signers: `make fuzz-sshsig SECONDS=3600`.

The loop is our own: atheris, which knows coverage, has no wheel for the Pythons that we support.
"""
