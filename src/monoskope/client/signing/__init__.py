"""How a client signs requests, for reactors that act only on what a key of their own list signed.

A signature is OpenSSH's SSHSIG over `monoskope.protocol.signed_request.statement`; docs/signed-requests.md is for
users.

- `signer`: what every signer does, and what those of this package do besides;
- `agent_signer`: a key that an ssh-agent holds, so that its private half is never in this process;
- `key_signer`: a private key file;
- `chosen`: which of them the setting `signing_key` means;
- `signing`: a client's signer as the walk uses it, which checks what it made;
- `public_key`, `private_file`: OpenSSH's files, read; `agent`: its agent's protocol.

Nothing here is loaded before a request has to be signed.
"""
