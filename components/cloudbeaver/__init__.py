"""CloudBeaver: the databases in the browser."""
