"""How answers and failures look: tables, JSON, YAML, and notes for people."""
