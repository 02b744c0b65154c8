"""What m8 shows of all secrets that the caller may see, kept in memory: questions about all of them need no m8."""
