"""One request: which store is meant and whose identity counts, what is asked, sent, and believed of the answer."""
