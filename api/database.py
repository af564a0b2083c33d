"""The tables of the service and the engine they live in: SQLite with WAL by default, PostgreSQL by URL."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, BigInteger, Connection, Engine, Index, String, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

BUSY_TIMEOUT_MS = 15_000
HEAD = "0002"
"""Newest migration; a start that finds it need not load alembic."""

MIGRATIONS = Path(__file__).parent / "migrations"


def new_id(prefix: str) -> str:
    """Return an identifier that sorts by time of creation and cannot be guessed.

    Example:
        >>> new_id("an").startswith("an_0")
        True
    """
    return f"{prefix}_{time.time_ns() // 1000:015x}{secrets.token_hex(8)}"


class Base(DeclarativeBase):
    """Base of all tables; times are Unix seconds as floats, so that both databases compare them alike."""

    # SQLAlchemy's own convention: a plain class attribute
    type_annotation_map = {dict[str, Any]: JSON(none_as_null=True), list[str]: JSON}  # noqa: RUF012


class Analysis(Base):
    """One file or URL to judge, from the call that brought it to the erasure of its result."""

    __tablename__ = "analyses"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(12))
    stage: Mapped[str] = mapped_column(String(8))  # fetch, then analyze
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]
    name: Mapped[str]
    source_url: Mapped[str | None]
    sha256: Mapped[str | None] = mapped_column(String(64))
    size: Mapped[int | None] = mapped_column(BigInteger)
    blob: Mapped[str | None] = mapped_column(String(80))
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    zero_retention: Mapped[bool]
    is_cached: Mapped[bool]
    webhook_url: Mapped[str | None]
    batch_id: Mapped[str | None] = mapped_column(String(40))
    batch_line: Mapped[int | None]
    worker: Mapped[str | None] = mapped_column(String(40))
    lease_until: Mapped[float | None]
    attempts: Mapped[int]
    report: Mapped[dict[str, Any] | None]
    verdict: Mapped[str | None] = mapped_column(String(24))
    authenticity: Mapped[float | None]
    error_code: Mapped[str | None] = mapped_column(String(40))
    error_detail: Mapped[str | None]
    files_until: Mapped[float | None]
    results_until: Mapped[float | None]

    __table_args__ = (
        Index("analyses_claim", "status", "stage", "id"),
        Index("analyses_owner", "owner", "id"),
        Index("analyses_cache", "sha256", "fingerprint"),
        Index("analyses_batch", "batch_id", "batch_line"),
        Index("analyses_blob", "blob"),
    )


class Batch(Base):
    """Many analyses that were submitted in one call."""

    __tablename__ = "batches"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[float]
    total: Mapped[int]


class ApiKey(Base):
    """An API key; only its SHA-256 is kept."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str | None] = mapped_column(String(40))  # the first key of a rotated line; None = this one
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    hash: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]]
    created_at: Mapped[float]
    expires_at: Mapped[float | None]
    revoked_at: Mapped[float | None]


class Idempotency(Base):
    """What an `Idempotency-Key` stands for; unique for each owner."""

    __tablename__ = "idempotency"

    owner: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(String(40))  # the analysis or batch that the first call made
    created_at: Mapped[float]


class Delivery(Base):
    """A webhook message on its way; retried until a 2xx, the last try, or 410."""

    __tablename__ = "deliveries"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    analysis_id: Mapped[str] = mapped_column(String(40))
    url: Mapped[str]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(String(12))  # pending, delivered, given_up
    attempts: Mapped[int]
    next_at: Mapped[float]

    __table_args__ = (Index("deliveries_due", "state", "next_at"),)


class Database:
    """An engine with the two ways that the service uses it: short writes and plain reads."""

    def __init__(self, url: str) -> None:
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        # SQLite has one writer. Threads that queue here go on at once; those that queue in SQLite sleep between looks.
        self._turn: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if self.is_sqlite else contextlib.nullcontext()
        )
        if self.is_sqlite and (path := make_url(url).database):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        arguments: dict[str, Any] = {"check_same_thread": False} if self.is_sqlite else {}
        self.engine: Engine = create_engine(
            _with_driver(url), connect_args=arguments, pool_size=20, max_overflow=20, pool_pre_ping=not self.is_sqlite
        )
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._reader = self.engine.execution_options(is_reader=True)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a transaction that may write; on SQLite it takes the write lock at once, so it never fails midway."""
        with self._turn, Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a transaction that only reads; it never waits for writers."""
        with Session(self._reader, expire_on_commit=False) as session, session.begin():
            yield session

    def upgrade(self) -> None:
        """Bring the tables to the newest version; several processes may start at once."""
        if self._version() == HEAD:
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _version(self) -> str | None:
        """Return the version of the tables; None before the first migration."""
        with self.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            found = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return None if found is None else str(found)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _with_driver(url: str) -> str:
    """Let `postgresql://` mean the driver that the extra `postgres` brings."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1) if url.startswith("postgresql://") else url


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver's guess
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",  # an accepted job survives a power cut, not only a killed process
        "foreign_keys=ON",
        "secure_delete=ON",  # erased results do not stay in free pages
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    is_reader = connection.get_execution_options().get("is_reader", False)
    connection.exec_driver_sql("BEGIN" if is_reader else "BEGIN IMMEDIATE")
