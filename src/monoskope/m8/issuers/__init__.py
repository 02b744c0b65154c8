"""Issuers: who may vouch for members, and what m8 believes of a token that is to be exchanged.

`settings` turns `[[issuers]]` of m8.toml into issuers with `rules`. `jose` and `keys` verify a token, `verifying` says
for whom it stands. `discovery` alone reaches a network. See docs/operate/issuers.md and ADR 50.
"""
