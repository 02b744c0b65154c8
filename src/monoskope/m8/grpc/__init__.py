"""m8 over gRPC: the server, its three services, its certificate, and how an error leaves. No use case knows it."""
