"""What m8 answers from its read models and its log: nothing here changes anything, or knows a transport."""
