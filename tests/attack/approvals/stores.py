"""The two stores that ask anna for approvals, and everybody who works with them."""

from __future__ import annotations

from contextlib import AsyncExitStack

from monoskope.protocol.identity import Namespace
from tests.attack.approvals.scenes import Stage
from tests.support.approvals_world import ANNA, APPROVERS, BEN, CA, EVA, GIL, SETTER, WRITING, Company, line, public


async def lay_out(company: Company, last: AsyncExitStack) -> Stage:
    """Start both stores, and hire everybody."""
    cluster = company.cluster
    cluster.make_vault_reactor("vault", readable=True)
    cluster.make_local_reactor("files")
    cluster.share_fingerprint_key("reactor-vault", "reactor-files")
    cluster.allow_copy("vault", "files", source="app", destination="app")
    copies = cluster.must("m8", "reactor", "copy-key", "reactor-vault").out.strip()
    limits = {"compares_per_hour": 10_000, "compares_per_hour_per_uri": 2}
    approvers = [(BEN, "ben again"), (ANNA, "anna again"), (EVA, "revoked"), (GIL, "agent"), (GIL, "touched")]
    certified = line(ANNA, public(company.key(CA)), Namespace.REQUEST, "cert-authority")
    signing = [certified, line(ANNA, public(company.key("touched by anna")), Namespace.REQUEST)]
    company.asks(
        "vault",
        2,
        purposes=(*WRITING, "copy"),
        destinations=["files://app"],
        approvers=approvers,
        signers=signing,
        limits=limits,
    )
    copying = {"principal": "copies-from-vault", "prefixes": ["app"], "purposes": ["upload"]}
    company.asks("files", 2, signers=[copies], may=[copying], approvers=approvers, limits=limits)
    for store in ("vault", "files"):
        cluster.add_store(store)
        cluster.start_reactor(store)
    await company.hire(last, ANNA, SETTER, *APPROVERS, prefixes=["vault://app", "files://app"])
    company.certified("one as ben", BEN)
    company.certified("one as eva", EVA, "one as ben")
    company.certified("anna as eva", EVA, ANNA)
    return Stage(company)
