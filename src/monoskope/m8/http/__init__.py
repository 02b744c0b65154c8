"""m8's door: the Connect protocol over HTTP/1.1. No use case knows it."""
