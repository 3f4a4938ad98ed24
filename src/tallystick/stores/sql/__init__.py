"""One SQL, two engines: SQLite as the embedded default, PostgreSQL for several instances.
"""
