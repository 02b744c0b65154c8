"""Audit lines: each event of the log, and each call, sent to a file, a syslog server or a webhook of the operator."""
