"""Write tests/vectors-signed.json: `python -m tools.signed_vectors`, with ssh-keygen, openssl and openssh-tests.

Good signatures are made by `ssh-keygen`, hardware keys by OpenSSH's own test middleware (Debian's `openssh-tests`), RSA
with SHA-256 by `openssl`; faults by `ssh-keygen` where it makes them, else assembled by hand. Nothing here knows the
verifier. Keys are new each time, so the file is another one each time; what it says stays.
"""
