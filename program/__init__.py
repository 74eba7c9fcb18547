"""Joins the pure config to the components: what only this program needs."""
