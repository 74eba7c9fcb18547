"""Citus: distributed PostgreSQL."""
