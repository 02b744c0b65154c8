"""Signatures as OpenSSH makes them (SSHSIG), verified as narrowly as docs/signatures.md says.

`parse` reads a container into an `SshSignature`, whose `verify` looks at the signature itself. Both raise `FaultError`
with a `Fault`. Nothing here knows who may sign: that is `monoskope.reactor.signers`. `parse_public` reads a line of a
`.pub` file, `signed_bytes` and `serialise` are what a client's signer needs, and `armoured` gives the text that
`ssh-keygen` reads.
"""

from __future__ import annotations

from monoskope.protocol.sshsig.certificate import Certificate
from monoskope.protocol.sshsig.container import (
    SshSignature,
    armoured,
    parse,
    parse_public,
    parse_signer,
    serialise,
    signed_bytes,
)
from monoskope.protocol.sshsig.fields import Fault, FaultError
from monoskope.protocol.sshsig.keys import KeySignature, PublicKey

__all__ = [
    "Certificate",
    "Fault",
    "FaultError",
    "KeySignature",
    "PublicKey",
    "SshSignature",
    "armoured",
    "parse",
    "parse_public",
    "parse_signer",
    "serialise",
    "signed_bytes",
]
