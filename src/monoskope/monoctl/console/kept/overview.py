"""What is counted over all kept secrets, counted again only after they have changed."""

from __future__ import annotations

from monoskope.monoctl.console.kept.counts import EqualValues, Facets, facets
from monoskope.monoctl.console.kept.secrets import KeptSecrets


class Overview:
    """The counts of one console's kept secrets."""

    def __init__(self, secrets: KeptSecrets) -> None:
        self._secrets = secrets
        self._facets: tuple[int, Facets] | None = None
        self._equal: tuple[int, EqualValues] | None = None

    @property
    def facets(self) -> Facets:
        """How many secrets there are of each store, subject, label and status."""
        changes = self._secrets.changes
        if self._facets is None or self._facets[0] != changes:
            self._facets = changes, facets(self._secrets.rows.values())
        return self._facets[1]

    @property
    def equal(self) -> EqualValues:
        """Where equal values stand."""
        changes = self._secrets.changes
        if self._equal is None or self._equal[0] != changes:
            self._equal = changes, EqualValues(self._secrets.rows.values())
        return self._equal[1]
