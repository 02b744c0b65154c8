"""m8, a reactor's peer or a client, played by a script."""
