"""`make status`: whether all of a stack is up, on one screen."""
