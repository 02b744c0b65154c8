"""What client, m8 and reactor must agree on: the messages of docs/protocol.md, and the rules that hold for them.

A client makes a `Request`; a reactor answers with a `Grant` of a one-time key and, at the end, with a `Receipt`. Each
travels as bytes and is signed as bytes. `parse_request`, `open_grant` and `open_receipt` turn bytes into these types,
and raise `MalformedError` or `ProofError` for everything else: a value of one of the types has passed its checks.

Read in this order:

- `wire` and `labels`: the one serialised form of a message, and what a signature covers;
- `identity`, `rotation` and `hello`: a store's signing key, its replacement, a reactor's login;
- `request`, with `notes`, `recipes` and `one_reading`: what a user asks for;
- `grant`: the reactor's one-time key for one request;
- `signed_request` and `sshsig`: what a user signs, and which signatures are read at all;
- `payload`: the plaintext of a secret, which only client and reactor ever hold;
- `receipt` and `open_receipt`, with `outcomes` and `copy_request`: what became of a request;
- `tlog`: the witnessed log, its notes and its proofs;
- `purposes`, `events` and `upload`: one row a purpose, one row an event, the states of a request.

One rule always holds: nothing here reads a file, a clock or the network, and nothing here encrypts or decrypts.
"""
