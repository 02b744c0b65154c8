"""Tokens in a log that was written before there were role bindings keep exactly what they were recorded with."""

from __future__ import annotations

import itertools
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.readmodels import tokens as documents
from monoskope.m8.readmodels.chain import project
from monoskope.m8.service.aggregates import Aggregates
from monoskope.uri import SecretUri
from tests.support.old_log import old_log


async def test_every_recorded_token_has_all_its_rights_below_each_of_its_prefixes(tmp_path: Path) -> None:
    log = await SqliteLog.open(old_log(tmp_path), clock=lambda: 0, projector=project)
    tokens = Tokens(log, signing_key=Ed25519PrivateKey.generate(), audience="m8", clock=lambda: 0)
    users = 0
    async for token_id, body in log.scan_all(documents.TOKENS):
        issued = events_pb2.TokenIssued.FromString(body)
        # The key of that m8 is gone; what it signed said the same.
        jwt = tokens._sign(issued, 0)
        if await log.get(documents.REVOCATIONS, token_id):
            continue
        principal = await tokens.authenticate(jwt)
        assert await Aggregates(log).bound(principal) == principal
        assert (principal.subject, principal.roles) == (issued.subject, frozenset({issued.role}))
        assert (principal.member, principal.groups) == (None, ())
        assert [str(prefix) for prefix in principal.prefixes] == list(issued.prefixes)
        for prefix, right in itertools.product(issued.prefixes, RIGHT_NAMES):
            uri = SecretUri.parse(f"{prefix.rstrip('/')}/x")
            assert principal.may(right, uri) is (right in issued.rights)
        users += issued.role == events_pb2.ROLE_USER
    assert users, "the log has tokens of users"
    await log.close()
