"""`m8 backup`: the event log as one encrypted stream, from which the log can be restored into either engine."""
