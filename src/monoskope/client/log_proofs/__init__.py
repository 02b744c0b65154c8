"""Proofs of uploads and other people's notes: asked for, and held against the log that the client keeps."""
