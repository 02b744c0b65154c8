"""OpenStack Barbican."""
