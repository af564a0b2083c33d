"""Alembic migrations of the service's database; `api.database.upgrade` runs them at start."""
