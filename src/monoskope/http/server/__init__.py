"""HTTP/1.1 as m8 and the listener of operations serve it, strict by RFC 9112, with WebSockets."""
