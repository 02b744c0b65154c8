"""The listener of operations, of m8 and of reactors: `/healthz`, `/readyz` and `/metrics`, on this machine alone."""
