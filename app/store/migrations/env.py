"""How Alembic reaches the database: over the connection that `app.store.database` hands it, within its transaction.

A new version: change the tables in app/store/database.py, then
    python -m alembic --config app/store/migrations/alembic.ini revision --autogenerate -m "what changes"
"""

import os

import sqlalchemy
from alembic import context

from app.store.database import Base


def run() -> None:
    """With a connection of the service's, or one of its own for Alembic's command line."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        context.configure(connection=connection, target_metadata=Base.metadata)
        context.run_migrations()
        return
    with sqlalchemy.create_engine(os.environ["CRUCIATE_DATABASE"]).begin() as own:
        context.configure(connection=own, target_metadata=Base.metadata)
        context.run_migrations()


run()
