"""The tables of a durable store, and the steps from each version of them to the next.

The databases call `migrate` whenever they connect. A step is never changed once it was released: a new one is added.
"""

from __future__ import annotations

from typing import Final

from piecework.errors import StoreError, StoreVersionError
from piecework.stores.database import Database

__all__ = ("STEPS", "migrate")

STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """
        CREATE TABLE piecework_run (
            run_id TEXT PRIMARY KEY, name TEXT NOT NULL, thread_id TEXT, parent TEXT, position BIGINT,
            shape TEXT NOT NULL, labels TEXT NOT NULL,
            status TEXT NOT NULL, created DOUBLE PRECISION NOT NULL, updated DOUBLE PRECISION NOT NULL,
            epoch BIGINT NOT NULL, owner TEXT, lease DOUBLE PRECISION NOT NULL, cancel BIGINT NOT NULL,
            facts BIGINT NOT NULL, done BIGINT NOT NULL, failed BIGINT NOT NULL, planned BIGINT NOT NULL,
            size BIGINT NOT NULL
        )
        """,
        "CREATE INDEX piecework_run_thread ON piecework_run (thread_id)",
        "CREATE INDEX piecework_run_created ON piecework_run (created)",
        # A row is a batch, not a fact: what a row costs is paid once for a thousand facts.
        """
        CREATE TABLE piecework_log (
            run_id TEXT NOT NULL, first BIGINT NOT NULL, epoch BIGINT NOT NULL, facts {blob} NOT NULL,
            PRIMARY KEY (run_id, first)
        )
        """,
        "CREATE TABLE piecework_value (digest {blob} PRIMARY KEY, data {blob} NOT NULL)",
        "CREATE TABLE piecework_kept (run_id TEXT NOT NULL, digest {blob} NOT NULL, PRIMARY KEY (run_id, digest))",
        "CREATE INDEX piecework_kept_digest ON piecework_kept (digest)",
    ),
)
"""The statements that lead from one version to the next, the first from nothing to version 1."""


def migrate(
    database: Database, steps: tuple[tuple[str, ...], ...] = STEPS, *, table: str = "piecework_version"
) -> None:
    """Bring the schema up to date; touches nothing that is, and nothing of a newer version.

    Raises:
        StoreVersionError: The schema is of a newer piecework.
    """
    database.begin(writes=False)
    version = _version(database, table, len(steps))
    database.commit()
    if version == len(steps):
        return
    database.begin(writes=True)
    database.hold_schema()
    version = _version(database, table, len(steps))  # Another process may have been faster.
    for step in steps[version:]:
        for statement in step:
            database.run(statement.format(blob=database.blob))
    if version == 0:
        database.run(f"CREATE TABLE {table} (version BIGINT NOT NULL)")
        database.run(f"INSERT INTO {table} (version) VALUES (?)", (len(steps),))  # noqa: S608 - a name of ours
    else:
        database.run(f"UPDATE {table} SET version = ?", (len(steps),))  # noqa: S608
    database.commit()


def _version(database: Database, table: str, known: int) -> int:
    if not database.exists(table):
        return 0
    found = database.rows(f"SELECT version FROM {table}")  # noqa: S608
    if len(found) != 1:
        raise StoreError(
            f"{database.label} has a table {table} of {len(found)} rows instead of one: it was changed by "
            "something else. Restore it from a copy.",
            store=database.name,
        )
    version = int(found[0][0])
    if version > known:
        raise StoreVersionError(
            f"{database.label} is of version {version}, which a newer piecework made; this one knows versions up to "
            f"{known}. Upgrade piecework, or use another store.",
            store=database.name,
        )
    return version
