"""Who a caller is: signed tokens, what they claim, and how soon a credential leaves memory."""
