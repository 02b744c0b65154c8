"""`make bench-signatures`: what a reactor pays to check one signed request, by kind of key, as one line of JSON.

In µs of one core, the median of several batches: `parse` reads the container, `verify` computes the signatures, and
`decide` is the whole decision by lists in memory. `authorize` adds what a reactor does besides: it reads both lists.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from monoskope.protocol import sshsig
from monoskope.protocol.grant import make_grant
from monoskope.protocol.identity import Namespace, statement
from monoskope.reactor.signers import Signers
from monoskope.reactor.signers.decision import decide
from monoskope.reactor.signers.settings import MayRule, SignersFile
from tests.support import ssh_blobs
from tests.support.signed_requests import BY_NAME, Vector, blob_of, request_of, rules_of
from tests.support.vectors import KEY_ID, a_request

KINDS = (
    "ed25519",
    "ecdsa-256",
    "ecdsa-384",
    "ecdsa-521",
    "rsa-3072",
    "rsa-4096",
    "rsa-8192",
    "sk-ed25519",
    "sk-ecdsa",
    "certificate-sk-ed25519-by-ed25519",
    "certificate-ecdsa-384-by-ecdsa-256",
    "certificate-ed25519-by-rsa-3072",
)
BATCHES, BATCH = 15, 100


def measure() -> dict[str, dict[str, float]]:
    """Return the figures by the name of the vector that was measured."""
    found = {name: _of(BY_NAME[name]) for name in KINDS}
    found["ed25519"]["authorize"] = _authorize()
    return found


def _of(vector: Vector) -> dict[str, float]:
    blob, message, now = blob_of(vector), bytes.fromhex(vector["statement"]), vector["now"]
    rules, request, parsed = rules_of(vector), request_of(vector), sshsig.parse(blob, Namespace.REQUEST)
    return {
        "parse": _microseconds(lambda: sshsig.parse(blob, Namespace.REQUEST)),
        "verify": _microseconds(lambda: parsed.verify(message)),
        "decide": _microseconds(lambda: decide(rules, request, message, blob, now=now)),
    }


def _authorize() -> float:
    key = ssh_blobs.ed25519()
    grant = make_grant(
        request=a_request(),
        subject="anna",
        public_key=bytes(1216),
        replica=b"r" * 16,
        lifetime_s=300,
        max_plaintext=512,
        fingerprint_key_id=KEY_ID,
        signature_required=True,
    )
    sealed = hashlib.sha256(b"").digest()
    signature = ssh_blobs.signed(key, statement(grant.sha256, sealed))
    with tempfile.TemporaryDirectory() as folder:
        others = "".join(f"other-{number} {ssh_blobs.ed25519().line}\n" for number in range(100))
        (Path(folder) / "allowed_signers").write_text(f"anna {key.line}\n{others}# end\n")
        (Path(folder) / "revoked_keys").write_text("# end\n")
        may = [MayRule(principal="anna", prefixes=["app"], purposes=["upload"])]
        table = SignersFile(file="allowed_signers", revoked="revoked_keys", may=may)
        signers = Signers.load(table, folder=Path(folder), store="vault")
        return _microseconds(lambda: signers.authorize(grant, sealed, signature))


def _microseconds(call: Callable[[], object]) -> float:
    """Return what one call takes, the median of the batches."""
    call()
    batches = []
    for _ in range(BATCHES):
        begin = time.process_time()
        for _ in range(BATCH):
            call()
        batches.append((time.process_time() - begin) / BATCH * 1e6)
    return round(statistics.median(batches), 1)


if __name__ == "__main__":
    print(json.dumps(measure()))
