"""Pulumi provider plugins that stand in for the official ones, behind the same SDK classes."""
