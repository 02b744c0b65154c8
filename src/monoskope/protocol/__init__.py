"""What client, m8 and reactor must agree on: the messages of docs/protocol.md, and the rules that hold for them.

A client makes a `Request`; a reactor answers with a `Grant` of a one-time key and, at the end, with a `Receipt`. Each
travels as bytes and is signed as bytes. `parse_request`, `open_grant` and `open_receipt` turn bytes into these types,
and raise `MalformedError` or `ProofError` for everything else: a value of one of the types has passed its checks.

Read in this order:

- `wire`: the one serialised form of a message;
- `identity` and `hello`: a store's signing key with its replacement, what a signature covers, a reactor's login;
- `request`, with `notes` and `options`: what a user asks for;
- `grant`: the reactor's one-time key for one request;
- `sshsig`: which signatures of people are read at all (`identity.statement` is what a requester signs, and
  `identity.approval_statement` what an approver signs);
- `payload`: the plaintext of a secret, which only client and reactor ever hold; recipes;
- `receipt` and `open_receipt`, with `outcomes`: what became of a request;
- `change`: one request as it is proposed, which others approve before it is made;
- `tlog`: the witnessed log, its notes and its proofs;
- `purposes` and `events`: one row a purpose, one row an event.

One rule always holds: nothing here reads a file, a clock or the network, and nothing here encrypts or decrypts.
"""
