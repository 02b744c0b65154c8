"""How much one reactor process takes on: requests a second, guesses an hour, and places shared among subjects."""
