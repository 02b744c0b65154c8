"""What `m8 reactor rotate-identity` says before and after: what users see, which keys to keep, what to do next."""

from __future__ import annotations

BEFORE = """\
The store {store} now has the identity {before}.

Users: monoctl and the SDK follow the signed step from the identity that they have pinned to the new one, also after a
long time, and say so once. Nobody has to agree again. Clients pin by this chain: who pins the store for the first time
sees the new identity alone, so tell your users what it is.

Keys: make a copy of {folder}/identity.key and {folder}/rotations first, and a new one afterwards. The former key
is not kept here. If the new key is lost, no command makes it again, and every user has to pin another identity.

Drain, then rotate: a replica that still runs under the former identity is cut off at the first login under the new one,
and a write that it has not reported by then stays without an end. So first run
  monoctl deactivate secret-store {store}
wait two minutes, and stop all replicas. All steps: {page}
"""
"""Before the identity is replaced, with {store}, {before}, {folder} and {page}, where the steps are."""

AFTER = """\
Next: copy {folder}/identity.key and {folder}/rotations to a safe place and to all other replicas, start all
replicas, and run: monoctl activate secret-store {store}"""
"""Afterwards."""
