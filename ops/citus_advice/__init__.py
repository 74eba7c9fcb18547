"""`make citus-advice`: which tables of a project to distribute, and how."""
