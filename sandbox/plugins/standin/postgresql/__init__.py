"""The stand-in of the `postgresql` provider, on psycopg."""
