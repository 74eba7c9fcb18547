"""The kinds of resources, each with its requests."""
