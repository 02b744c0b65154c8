"""`m8 dev`: a whole m8 with one store on one machine, to play with."""
