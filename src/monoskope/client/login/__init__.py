"""Logging in with an identity that the caller has already, and the tokens of m8 that come of it.

A login is a person's: `monoctl login` gets an ID token from an OpenID Connect provider, with a browser (`browser`) or
with a second device. `credential` keeps it, `renewing` refreshes it. A build job has an identity without a login:
`workload` finds it. Either way m8 exchanges it for a token of its own, which lasts for 15 minutes at most;
`credential` says what a connection asks for.

Read in this order: `credential`, `renewing`, `issuer` (what is asked of a provider, and which of its answers
count), `id_token` (what an ID token must say), `browser`, `starting`.
"""
