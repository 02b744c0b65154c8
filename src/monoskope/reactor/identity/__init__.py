"""The two keys that a store keeps for long: its signing identity, and the fingerprint key K."""
