"""How good are the lists, and how sure can one be of it."""
