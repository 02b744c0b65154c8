"""The one connection to m8: it logs in, reads deliveries and appends events. It knows no engine."""
