"""How the console serves its page: who may ask, what a body holds, what is answered, and the live stream."""
