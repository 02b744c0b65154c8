"""m8: decides rights, keeps the log, is available. Nothing imported from here can seal or open a secret."""
