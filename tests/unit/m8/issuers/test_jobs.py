"""Jobs and pods, with tokens in the shapes that their platforms document, may do what their role bindings give."""

from __future__ import annotations

import itertools
from typing import Any

from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.m8.issuers.settings import RuleFile
from monoskope.uri import SecretUri
from tests.support.exchanging import Exchanging, an_issuer, refused
from tests.support.issuers import CLUSTER, github, gitlab, kubernetes, minted

PLATFORMS: dict[str, Any] = {
    "github-actions": {
        "repository_id": "74",
        "repository_owner_id": "65",
        "job_workflow_ref": "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
    },
    "gitlab-ci": {"project_id": "20", "namespace_id": "72", "ref_protected": "true"},
    "kubernetes": {"/kubernetes.io/namespace": "payments", "/kubernetes.io/serviceaccount/name": "deployer"},
}
SHORT = {"github-actions": "github", "gitlab-ci": "gitlab", "kubernetes": "prod"}
ALLOWED = {
    "github": {events_pb2.RIGHT_PUT},
    "gitlab": {events_pb2.RIGHT_PUT, events_pb2.RIGHT_SEE_HASH},
    "prod": {events_pb2.RIGHT_COMPARE},
}


async def test_each_job_may_do_what_the_role_binding_of_its_own_machine_gives(m8: Exchanging) -> None:
    m8.configure(
        *(
            an_issuer(
                name=SHORT[preset],
                preset=preset,
                issuer=CLUSTER if preset == "kubernetes" else "",
                audience="m8" if preset == "kubernetes" else "https://m8.example.com",
                rules=(RuleFile(match=match, name="deploy"),),
            )
            for preset, match in PLATFORMS.items()
        )
    )
    root = m8.world.administrator()
    for name, rights in ALLOWED.items():
        member = f"machine:{name}:deploy"
        await root.bind(name, member, role=events_pb2.ROLE_USER, prefix=f"vault://{name}", rights=sorted(rights))
    for name, claims in {"github": github(), "gitlab": gitlab(), "prod": kubernetes()}.items():
        answer = await m8.exchange(minted(claims))
        principal = await m8.principal(answer.access_token)
        assert answer.member == f"machine:{name}:deploy"
        assert principal.roles == {events_pb2.ROLE_USER}
        for right, below in itertools.product(RIGHT_NAMES, (*ALLOWED, f"{name}-2")):
            allowed = below == name and right in ALLOWED[name]
            assert principal.may(right, SecretUri.parse(f"vault://{below}/db")) is allowed
    # Another project of GitLab gets nothing by a claim that counts at GitHub.
    assert await refused(m8, minted(gitlab(repository_id="74", project_id="21"))) == "NO_RULE"
