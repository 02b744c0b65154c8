"""Backups on their way: encrypted with age, into a file, to standard output or to an S3-compatible store, and back."""
