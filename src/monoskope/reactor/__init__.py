"""The secret reactor: it makes one-time keys, opens what was sealed for them, writes it, and signs receipts.

A reactor serves one store. It runs beside the engine, holds the engine's credentials, and dials out to m8; it opens no
port. Several processes, the replicas, may serve one store under one identity.

m8 delivers events; the `Dispatcher` decides what to do about each. A new request goes to the `Granter`, which checks it
and makes a key in `OneTimeKeys`. A sealed secret goes to the `Handler`, which opens, compares, writes and answers. A
request whose replica is gone goes to `Recovery`.

Read in this order:

- `run`: how the parts are wired; `dispatch`: what each event starts;
- `link`: the connection to m8; `admission`: the checks before a key is made, and the grant;
- `signers`: whose signature counts, and what each signer may have done;
- `keys`: the table of one-time keys, and the only file that decrypts;
- `work`: one file a purpose; `upstream`: what is in the engine now; `report`: receipts and the audit log;
- `identity`: the signing key and the fingerprint key; `memory`: how values leave this process's memory;
- `limits`, `health`, `reasons`, `settings` and `timings`: bounds, and everything that is configured.

One rule always holds: which store, paths and engine a reactor serves comes from its own settings, never from m8. A key
leaves its table before it is used, so nothing opens twice.
"""
