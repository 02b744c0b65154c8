"""m8 over HTTP: the Connect protocol over HTTP/1.1, beside gRPC and from the same table. No use case knows it."""
