"""How a client holds m8 to its log: what it demands of a checkpoint, and what it does when one does not fit."""
