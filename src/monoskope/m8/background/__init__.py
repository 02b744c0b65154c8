"""What m8 does by the clock: deadlines, missed heartbeats, and verifications of its own."""
