"""Issuers: who may vouch for members, and what m8 believes of a token that is to be exchanged.

`settings` and `presets` turn `[[issuers]]` of m8.toml into issuers with `rules`. `jose`, `claims` and `keys` verify a
token. `verifying` puts these together. `discovery` alone reaches a network. See docs/operate/issuers.md and ADR 50.
"""
