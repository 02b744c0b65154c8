"""How a client signs requests, for reactors that act only on what a key of their own list signed.

A signature is OpenSSH's SSHSIG over `monoskope.protocol.identity.statement`; docs/signed-requests.md is for
users.

- `signer`: what every signer does, a signing key's public half, and which signer the setting `signing_key` means;
- `agent`: a key that an ssh-agent holds, so that its private half is never in this process;
- `key_file`: a private key file;
- `signing`: a client's signer as the walk uses it, which checks what it made.

Nothing here is loaded before a request has to be signed.
"""
