"""The bundle as its maker writes it, as a newcomer gets and compares it, and what it adds to their machine (ADR 72)."""
