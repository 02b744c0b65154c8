"""`AccessService` without a transport: role bindings, tokens, and what they allow."""
