"""A first look at data: its shape, what is odd in it, and the call that does something about it."""
