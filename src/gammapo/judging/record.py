"""The record of replies that were paid for: an SQLite file; each is committed before the next step."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gammapo.errors import InputError, RunError
from gammapo.locks import FileLock

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY,            -- SHA-256 of request and server_model
    request_key TEXT NOT NULL,       -- SHA-256 of the request
    request TEXT NOT NULL,
    server_model TEXT NOT NULL,      -- the model that the server says it is
    reply TEXT NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    received REAL NOT NULL           -- seconds since 1970
);
CREATE INDEX IF NOT EXISTS by_request ON replies (request_key);
CREATE TABLE IF NOT EXISTS faults (problem TEXT NOT NULL, happened REAL NOT NULL);
"""


class Record:
    """Replies by request. May be used from several threads; one process at a time.

    Args:
        path: the file, made if absent; None keeps the record in memory only.

    Raises:
        InputError: the file is no record or a damaged one, or another process is using it. Damage that shows
            only later is told in the same way by whatever meets it.
    """

    def __init__(self, path: str | Path | None):
        self.path = Path(path) if path is not None else None
        self._guard = threading.Lock()
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = None if self.path is None else FileLock(Path(f"{self.path}.lock"), _busy(self.path))
        try:
            self._base = sqlite3.connect(self.path or ":memory:", check_same_thread=False)
            self._base.text_factory = lambda text: text.decode("utf-8", errors="replace")  # `find` tells
            tables = {name for (name,) in self._base.execute("SELECT name FROM sqlite_master")}
            if tables and "replies" not in tables:
                raise sqlite3.DatabaseError("it is the database of another program")
            if tables:  # better known now than after paying for replies
                (found,) = self._base.execute("PRAGMA quick_check(1)").fetchone()
                if found != "ok":
                    raise sqlite3.DatabaseError(" ".join(found.split()))
            self._base.execute("PRAGMA synchronous = FULL")  # a commit is on the disk when it returns
            self._base.executescript(SCHEMA)
            self.secret = self._secret()
        except sqlite3.DatabaseError as error:
            self.close()
            raise _unusable(self.path, error) from error

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        if hasattr(self, "_base"):
            self._base.close()
        if self._lock is not None:
            self._lock.release()

    def find(self, request: Mapping[str, Any], server_model: str | None = None) -> dict[str, Any] | None:
        """The recorded reply to this very request, from that server model or (None) from any."""
        query = "SELECT reply FROM replies WHERE request_key = ?"
        values = [request_key(request)]
        if server_model is not None:
            query, values = query + " AND server_model = ?", [*values, server_model]
        with self._using() as base:
            row = base.execute(query + " ORDER BY received DESC LIMIT 1", values).fetchone()
            try:
                return None if row is None else json.loads(row[0])
            except (ValueError, TypeError, RecursionError) as error:
                raise sqlite3.DatabaseError("a reply in it is not JSON") from error

    def commit(self, request: Mapping[str, Any], reply: Mapping[str, Any], *, replace: bool = False) -> None:
        """Write a reply down; once this returns, it survives a crash. The first stays unless `replace`."""
        usage = reply.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        model = server_model(reply, request)
        row = (
            hashlib.sha256(f"{request_key(request)}:{model}".encode()).hexdigest(),
            request_key(request),
            _canonical(request),
            model,
            json.dumps(reply),
            _tokens(usage.get("prompt_tokens")),
            _tokens(usage.get("completion_tokens")),
            time.time(),
        )
        verb = "REPLACE" if replace else "IGNORE"
        with self._using() as base:
            base.execute(f"INSERT OR {verb} INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def note_fault(self, problem: str) -> None:
        """Keep an attempt that failed, in words."""
        with self._using() as base:
            base.execute("INSERT INTO faults VALUES (?, ?)", (problem, time.time()))

    def count(self) -> int:
        """Replies held."""
        with self._using() as base:
            return base.execute("SELECT COUNT(*) FROM replies").fetchone()[0]

    def characters_per_token(self) -> float | None:
        """Mean over the recorded requests whose tokens the server counted; None where there are none."""
        query = "SELECT SUM(LENGTH(request)), SUM(prompt_tokens) FROM replies WHERE prompt_tokens > 0"
        with self._using() as base:
            characters, tokens = base.execute(query).fetchone()
        return characters / tokens if tokens else None

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """The base, for one thread at a time; what was changed is committed at the end.

        Raises:
            InputError: the file is damaged.
            RunError: the disk is full, or fails.
        """
        with self._guard:
            try:
                with self._base:
                    yield self._base
            except sqlite3.OperationalError as error:
                raise RunError(
                    f"{self.path}: the record of replies cannot be used: {error}. See whether its disk "
                    "is full; the same command then asks only for what it does not hold"
                ) from error
            except sqlite3.Error as error:
                raise _unusable(self.path, error) from error

    def _secret(self) -> bytes:
        query = "SELECT value FROM meta WHERE name = 'secret'"
        with self._guard, self._base:
            if self._base.execute(query).fetchone() is None:
                self._base.execute("INSERT INTO meta VALUES ('secret', ?)", (secrets.token_bytes(32),))
            found = self._base.execute(query).fetchone()
        if found is None or not isinstance(found[0], bytes):
            raise sqlite3.DatabaseError("it has lost its secret")
        return found[0]


def _unusable(path: Path | None, error: sqlite3.Error) -> InputError:
    return InputError(
        f"is no record of replies that can be read ({error})",
        file=path,
        expected="the SQLite file that judging wrote",
        fix="put back a copy of it, or name another file with --record, for which all replies are asked anew",
    )


def _tokens(count: object) -> int | None:
    """A server's count, if it is one that fits the column."""
    if not isinstance(count, int) or isinstance(count, bool):
        return None
    return count if 0 <= count < 1 << 63 else None


def _busy(path: Path) -> InputError:
    return InputError(
        "another process is judging with this record",
        file=path,
        fix="wait for it, or name another record",
    )


def existing(path: str | Path | None) -> Path | None:
    """The path of a record that holds something; None where opening it would only make one."""
    if path is None or not Path(path).exists() or (Path(path).is_file() and not Path(path).stat().st_size):
        return None
    return Path(path)


def request_key(request: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(request).encode()).hexdigest()


def server_model(reply: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """The model that the server says has answered; the one asked for if it says nothing."""
    named = reply.get("model")
    if not isinstance(named, str) or not named:
        return str(request.get("model"))
    return named.encode("utf-8", errors="backslashreplace").decode()  # no file could hold half a character


def _canonical(request: Mapping[str, Any]) -> str:
    return json.dumps(request, sort_keys=True, separators=(",", ":"))
