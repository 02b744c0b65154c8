"""`make release`: what is published, built twice and compared, with what it is made of.

Signing and uploading is a maintainer's.
"""
