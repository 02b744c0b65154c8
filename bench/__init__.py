"""`make bench`: what Monoskope costs, measured on one real OpenBao over TLS in one run (docs/performance.md)."""
