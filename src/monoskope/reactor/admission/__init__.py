"""What is checked before a one-time key is made, and the grant that follows."""
