"""The edge: what is reached from outside goes through it."""
