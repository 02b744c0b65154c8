"""Where callers come in: handlers that know no transport, the rules of who may what, and the gRPC server around."""
