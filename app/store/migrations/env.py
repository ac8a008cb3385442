"""Connects Alembic to the database. It uses the connection from `app.store.database`, within its transaction.

To add a version, change the tables in app/store/database.py, then run
    python -m alembic --config app/store/migrations/alembic.ini revision --autogenerate -m "what changes"
"""

import os

import sqlalchemy
from alembic import context

from app.store.database import Base


def run() -> None:
    """Migrate over the service's connection, or over a new one for Alembic's command line."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        context.configure(connection=connection, target_metadata=Base.metadata)
        context.run_migrations()
        return
    engine = sqlalchemy.create_engine(os.environ["CRUCIATE_DATABASE"])
    with engine.begin() as own:
        context.configure(connection=own, target_metadata=Base.metadata)
        context.run_migrations()
    engine.dispose()


run()
