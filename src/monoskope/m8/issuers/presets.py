"""Presets: issuers whose tokens are well known, and what a rule must ask of them so that it does not let others in.

Sources: GitHub's "About security hardening with OpenID Connect", GitLab's "OpenID Connect (OIDC) authentication using
ID tokens", and Kubernetes' "Service account tokens" (all read in 2026). The real issuers were never met.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Preset:
    """What is known of one kind of issuer.

    Attributes:
        issuer: Its `iss`, "" if each has its own.
        needs: Sets of claims: each rule must ask for an exact text of all claims of one set.
        not_among: Values of claims with which a token matches only a rule that names the claim.
        once: Whether a token is exchanged once, unless the settings say otherwise.
        why: Why `needs` is so, as a fix says it.
    """

    issuer: str
    needs: tuple[frozenset[str], ...]
    why: str
    not_among: Mapping[str, frozenset[str]] = field(default_factory=dict)
    once: bool = True


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "github-actions": Preset(
            issuer="https://token.actions.githubusercontent.com",
            needs=(frozenset({"repository_id", "repository_owner_id", "job_workflow_ref"}),),
            why="a name can belong to another repository later, and any branch can change a workflow.",
            # Such a run may work with what a stranger sent, under the name of the base's workflow.
            not_among={"event_name": frozenset({"pull_request", "pull_request_target", "workflow_run"})},
        ),
        "gitlab-ci": Preset(
            issuer="https://gitlab.com",
            needs=(frozenset({"project_id", "namespace_id", "ref_protected"}),),
            why="a name can belong to another project later, and any branch can change a pipeline.",
            once=False,
        ),
        "kubernetes": Preset(
            issuer="",
            needs=(
                frozenset({"/kubernetes.io/namespace", "/kubernetes.io/serviceaccount/name"}),
                frozenset({"/kubernetes.io/serviceaccount/uid"}),
                frozenset({"sub"}),
            ),
            why="every pod of the cluster has a token.",
            once=False,
        ),
    }
)
"""Each preset by its name."""
