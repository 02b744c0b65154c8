"""Secrets of a Kubernetes cluster."""
