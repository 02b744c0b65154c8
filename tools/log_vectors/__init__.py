"""Write tests/vectors-log.json: `python -m tools.log_vectors`.

Nothing here knows the verifier: trees are made by the recursions of RFC 6962, notes and proofs are put together as
text, and signatures come from `cryptography` alone. Private keys follow from names. ML-DSA-44 signs with fresh
randomness, so a vector that is there already stays as it is; `--anew` makes all of them again.
"""
