"""Numbers that grow with each change, by which a worker notices what others did."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def bump(connection: sa.Connection, name: str) -> int:
    """Add 1 to a number within the caller's transaction, and return it; the first is 1."""
    return int(
        connection.exec_driver_sql(
            "INSERT INTO numbers (name, number) VALUES (%s, 1) "
            "ON CONFLICT (name) DO UPDATE SET number = numbers.number + 1 RETURNING number".replace(
                "%s", placeholder(connection)
            ),
            (name,),
        ).scalar_one()
    )


def hold(connection: sa.Connection, name: str) -> int:
    """Return a number, 0 at first, and let nobody else change it until the transaction ends."""
    return int(
        connection.exec_driver_sql(
            "INSERT INTO numbers (name, number) VALUES (%s, 0) "
            "ON CONFLICT (name) DO UPDATE SET number = numbers.number RETURNING number".replace(
                "%s", placeholder(connection)
            ),
            (name,),
        ).scalar_one()
    )


def placeholder(connection: sa.Connection) -> str:
    """Return how the driver marks a parameter."""
    return "?" if connection.dialect.name == "sqlite" else "%s"


def driver(connection: sa.Connection) -> Any:
    """Return the driver's own connection, for statements that must be quick."""
    return connection.connection.driver_connection
