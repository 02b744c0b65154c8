"""What queries answer with, made from events: `project(event, lookup)` says what an event changes. Pure.

Each module owns its collections and names them. `documents.project` is all of them in one.
"""
