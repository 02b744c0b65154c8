"""The witnessed log: the tree over the event log, its checkpoints, and when m8 may sign one."""
