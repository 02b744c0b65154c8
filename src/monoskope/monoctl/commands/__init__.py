"""One file a verb: each parses its words, calls the client SDK, and prints what it says."""
