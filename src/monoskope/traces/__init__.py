"""Traces by W3C context: spans of monoctl, m8 and reactors, and what carries a trace from one process to the next.

They are off unless OpenTelemetry's own environment variables name an exporter. While they are off, nothing of
OpenTelemetry is imported, and a context that came with a call is passed on.
"""
