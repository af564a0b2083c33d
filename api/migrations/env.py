"""Run migrations on the connection that `api.database.Database.upgrade` hands over."""

from alembic import context
from sqlalchemy import text

from api.database import Base

UPGRADE_LOCK = 0x5749544E  # any number that is the same in all processes

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, transactional_ddl=True)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": UPGRADE_LOCK})
    context.run_migrations()
