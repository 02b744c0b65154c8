"""Issuers of tests: they sign tokens as GitHub, GitLab, Kubernetes and providers of OpenID Connect do, and worse ones.

The shapes are those of their documentation. The real issuers were never met.
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from monoskope.m8.issuers.keys import IssuerKeys
from monoskope.m8.issuers.settings import Issuer
from monoskope.m8.issuers.verifying import Issuers

NOW_S = 1_700_000_000
ISSUER = "https://login.example.com/realms/main"
GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"
CLUSTER = "https://kubernetes.default.svc.cluster.local"


@cache
def _rsa_key(_name: str) -> RSAKey:
    return RSAKey.generate_key(2048, private=True)


def rsa_key(name: str = "a") -> RSAKey:
    return _rsa_key(name)


@cache
def ec_key(curve: str = "P-256") -> ECKey:
    return ECKey.generate_key(curve, private=True)


@cache
def ed_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", private=True)


def encoded(part: object) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": kid, "use": "sig", **more}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def claims_of(**changes: Any) -> dict[str, Any]:
    """The claims of an ID token of a person; a claim that is None is left out."""
    found = {
        "iss": ISSUER,
        "aud": "m8",
        "sub": "f3b1c7a0-6d2e-4b6e-9a39-0f6a2f1f8f11",
        "exp": NOW_S + 300,
        "iat": NOW_S,
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def minted(claims: Any, *, key: Any = None, header: dict[str, Any] | None = None, algorithm: str = "RS256") -> str:
    """A token that `key` signs, the RSA key by default; a header that is None is left out."""
    given = {"alg": algorithm, "kid": "a", "typ": "JWT", **(header or {})}
    first = encoded({name: value for name, value in given.items() if value is not None})
    signed = f"{first}.{encoded(claims)}"
    signer = key or rsa_key()
    signature = jws.JWSRegistry.algorithms[algorithm].sign(signed.encode(), signer)
    return f"{signed}.{encoded(signature)}"


def github(**changes: Any) -> dict[str, Any]:
    """What a workflow of the branch main gets."""
    return claims_of(
        **{
            "iss": GITHUB,
            "aud": "https://m8.example.com",
            "jti": "0d1e5a3c-7b0f-4a62-9c7b-1f1d5a3c7b0f",
            "sub": "repo:octo-org/octo-repo:ref:refs/heads/main",
            "ref": "refs/heads/main",
            "sha": "4b7c5a9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f7",
            "repository": "octo-org/octo-repo",
            "repository_owner": "octo-org",
            "repository_id": "74",
            "repository_owner_id": "65",
            "repository_visibility": "private",
            "run_id": "6",
            "run_number": "10",
            "run_attempt": "2",
            "actor": "octocat",
            "actor_id": "12",
            "workflow": "deploy",
            "head_ref": "",
            "base_ref": "",
            "event_name": "push",
            "ref_type": "branch",
            "runner_environment": "github-hosted",
            "job_workflow_ref": "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
            "workflow_ref": "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
            "nbf": NOW_S - 5,
            **changes,
        }
    )


def gitlab(**changes: Any) -> dict[str, Any]:
    """What a job of a protected branch gets."""
    return claims_of(
        **{
            "iss": GITLAB,
            "aud": "https://m8.example.com",
            "jti": "c82eeb0c-5c6f-4a33-abf5-4c474b92b558",
            "sub": "project_path:my-group/my-project:ref_type:branch:ref:main",
            "namespace_id": "72",
            "namespace_path": "my-group",
            "project_id": "20",
            "project_path": "my-group/my-project",
            "user_id": "1",
            "user_login": "sample-user",
            "user_email": "sample-user@example.com",
            "pipeline_id": "574",
            "pipeline_source": "push",
            "job_id": "302",
            "ref": "main",
            "ref_type": "branch",
            "ref_path": "refs/heads/main",
            "ref_protected": "true",
            "environment_protected": "false",
            "runner_environment": "gitlab-hosted",
            "ci_config_ref_uri": "gitlab.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main",
            "nbf": NOW_S - 5,
            **changes,
        }
    )


def kubernetes(**changes: Any) -> dict[str, Any]:
    """What a pod gets from a projected volume; its header has no `typ`."""
    return claims_of(
        **{
            "iss": CLUSTER,
            "aud": ["m8"],
            "sub": "system:serviceaccount:payments:deployer",
            "jti": "aed34954-b33a-4142-b1ec-389d6bbb4936",
            "kubernetes.io": {
                "namespace": "payments",
                "node": {"name": "worker-1", "uid": "646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1"},
                "pod": {"name": "deployer-0", "uid": "5e0bd49b-f040-43b0-99b7-22765a53f7f3"},
                "serviceaccount": {"name": "deployer", "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"},
            },
            "nbf": NOW_S,
            **changes,
        }
    )


def keys_of(content: bytes) -> IssuerKeys:
    async def read() -> bytes:
        return content

    return IssuerKeys(read, "the test's keys")


def issuers_of(*issuers: Issuer, content: bytes = b"") -> Issuers:
    """Issuers that all sign with the RSA key `a`."""
    return Issuers([(issuer, keys_of(content or jwks(jwk(rsa_key(), "a")))) for issuer in issuers])


def now_s() -> int:
    """The time of day, for servers whose clock is the machine's."""
    return int(time.time())
