"""HTTP/1.1 as m8, its clients and reactors speak it: a server and a client, which know nothing of any of them."""
