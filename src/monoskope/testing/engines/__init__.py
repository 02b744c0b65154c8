"""Real servers of other projects, each in a folder of its own, for tests and demonstrations."""
