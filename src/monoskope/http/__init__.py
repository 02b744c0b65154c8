"""HTTP/1.1 as m8, its clients and reactors speak it: a server and a client, which know nothing of any of them."""

CIPHERS = "@SECLEVEL=2:ECDHE+AESGCM:ECDHE+CHACHA20"
"""What m8, its clients and reactors offer one another in TLS 1.2, as OpenSSL writes it: forward secrecy and AEAD, no
CBC. TLS 1.3 has nothing else."""
