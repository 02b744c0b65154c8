"""What a client may ask for, one file a purpose: what is sent, and what a proven end says."""
