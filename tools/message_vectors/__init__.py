"""Write tests/vectors-messages.json: `python -m tools.message_vectors`. It knows nothing of our parsers.

The bytes come from protobuf, from `cryptography`, or are put together by hand; what a reader must say of them is
written down beside each. Keys are fixed, so that the same file comes out each time.
"""
