"""`m8 init`: the steps of a set-up, each alone or one after the other (ADR 78).

A step looks at what is there, does what is missing, and changes nothing the second time. What a person answers comes
from `answers`: the command line, a file of answers, what was answered before a stop, a question. Read in this order:
`answers`, `steps`, then one file a step.
"""
