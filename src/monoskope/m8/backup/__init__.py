"""`m8 backup`: the log as a stream that any engine can be restored from, and a copy of a server's whole folder."""
