"""Open the store that MLflow keeps the mirror in: a SQLite database beside the results, or a server; show its UI.

MLflow takes three seconds to import, so every import of it is inside a function.
"""

import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import IO, TYPE_CHECKING
from urllib.parse import quote, urlsplit

from augmix.errors import RunError, UserError
from augmix.suite.io.files import atomic
from augmix.suite.io.locks import locked
from augmix.suite.track import page

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATABASE = "mlflow.db"
ARTIFACTS = "mlflow-artifacts"
_HOST = "127.0.0.1"

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the default of 7 blocks for minutes when the server is down
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # errors are raised; the log would only repeat them
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_SECONDS_TO_ANSWER, _SECONDS_TO_WRITE = "3", "30"
_SECONDS_LOCKED = 120
"""The time that another process may hold a SQLite database for itself: a backup, say."""


def address(results: Path) -> str:
    """The store of these results: the one that MLFLOW_TRACKING_URI names, or else a database beside them."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path(os.path.abspath(results)) / DATABASE}"


def check(results: Path) -> None:
    """Refuse a store of these results that could not be written, before it has anything to hold.

    Whether a server answers is not asked: it may be up by then.
    """
    if (database := database_path(_supported(address(results)))) is None:
        return
    folder = next(path for path in database.parents if path.exists())
    for path in (folder, database, database.with_name(f".{database.name}.lock")):
        if path.exists() and not os.access(path, os.W_OK):
            raise UserError(f"MLflow's database {database} cannot be written: no permission to write {path}")


def _supported(uri: str) -> str:
    if database_path(uri) is None and not uri.startswith(("http://", "https://")):
        raise UserError(
            f"the tracking URI {shown(uri)} is not supported: give http://…, https://… or sqlite:///FILE "
            "(put `mlflow server --backend-store-uri …` in front of any other store)"
        )
    return uri


def _sqlite(database: Path) -> str:
    """The database's address for MLflow, which takes what follows a `?` for options."""
    if "?" not in str(database):
        return f"sqlite:///{database}?timeout={_SECONDS_LOCKED}"
    # With its driver named, MLflow makes no folder `file:` in the working directory.
    return f"sqlite+pysqlite:///file:{quote(str(database))}?uri=true&timeout={_SECONDS_LOCKED}"


@contextmanager
def open_store(uri: str) -> Iterator["MlflowClient"]:
    """Open the store at `uri` (`sqlite:///…`, `http://…` or `https://…`); what it raises becomes a `UserError`.

    A SQLite database is created when it is missing. Raises `UserError` too for any other kind of `uri`, for a
    damaged database, and for a server that does not answer within three seconds.
    """
    database = database_path(_supported(uri))
    with _environment() as limit_is_ours:
        if database is not None:
            uri = f"sqlite:///{database}"
            _prepare_database(database)
        with _readable_errors(uri):
            from mlflow import MlflowClient

            client = MlflowClient(tracking_uri=_sqlite(database) if database else uri)
            client.search_experiments(max_results=1)
            if limit_is_ours:  # it answers; a batch may take a busy server longer
                os.environ[_TIMEOUT] = _SECONDS_TO_WRITE
            yield client


@contextmanager
def _environment() -> Iterator[bool]:
    """Set MLflow's switches, before it is imported; yield whether the time limit is ours: the user's own stay."""
    before = dict(os.environ)
    ours = _ENVIRONMENT | {_TIMEOUT: _SECONDS_TO_ANSWER} | _home()
    os.environ.update(ours | before)
    try:
        yield _TIMEOUT not in before
    finally:
        for name in ours:
            if name not in before:
                os.environ.pop(name, None)


def _home() -> dict[str, str]:
    """A home for a user who has none: MLflow cannot be imported without."""
    return {} if os.path.isabs(os.path.expanduser("~")) else {"HOME": gettempdir()}


def database_path(uri: str) -> Path | None:
    """Return the absolute path of the database that a `sqlite:///` URI names, None for any other URI."""
    name = uri.removeprefix("sqlite:///")
    return Path(os.path.abspath(name)) if name not in (uri, "", ":memory:") else None


def shown(uri: str) -> str:
    """Return `uri` without the user name and password it may hold."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else uri


@contextmanager
def _readable_errors(uri: str) -> Iterator[None]:
    """Turn what MLflow raises about the store at `uri` into a `UserError` of one line."""
    import requests
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, (requests.ConnectionError, requests.Timeout)):
            cause = cause.__cause__ or cause.__context__
        if cause is not None:
            proxied = isinstance(cause, requests.exceptions.ProxyError)
            remedy = f"ask it without the proxy, by NO_PROXY={urlsplit(uri).hostname}," if proxied else "start it"
            raise UserError(
                f"the MLflow server at {shown(uri)} does not answer ({type(cause).__name__}): "
                f"{remedy} and run `augmix track sync` again"
            ) from error
        if "database is locked" in str(error) and (database := database_path(uri)):
            raise _locked(database) from error
        if "out-of-date database schema" in str(error):
            raise UserError(
                f"{shown(uri)} was made by another version of MLflow: `mlflow db upgrade '{shown(uri)}'` adapts one of "
                "an older version; or move it away, and `augmix track sync` makes it anew from the results"
            ) from error
        reason = (str(error).splitlines() or [type(error).__name__])[0].replace(uri, shown(uri))[:300]
        raise UserError(
            f"MLflow at {shown(uri)} fails: {reason}; mend that and run `augmix track sync` again "
            "(the results are whole, MLflow only mirrors them)"
        ) from error


def _prepare_database(database: Path) -> None:
    """Create the database, or adjust one that was moved; safe against other starts and against being killed.

    MLflow builds its schema in many transactions: interrupted, or done by two at once, it is broken for
    good. So one process at a time builds it under a temporary name, and only a whole database is renamed.
    """
    with locked(database.with_name(f".{database.name}.lock"), f"the database {database}", wait=True):
        if database.exists() and database.stat().st_size > 0:
            _wait_for(database)
            _relocate_artifacts(database)
            return
        for leftover in database.parent.glob(f".{database.name}.*.tmp*"):
            leftover.unlink()
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        with atomic(database) as temporary, _readable_errors(f"sqlite:///{database}"):
            artifacts = database.with_name(ARTIFACTS).as_uri()
            SqlAlchemyStore(_sqlite(temporary), artifacts).engine.dispose()


def _wait_for(database: Path) -> None:
    """Wait, with a word, while another process holds the database for itself; a damaged one is not judged here."""
    deadline, told = time.monotonic() + _SECONDS_LOCKED, False
    while True:
        try:
            with closing(sqlite3.connect(database, timeout=1)) as connection:
                connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.Error as error:
            if "readonly" in str(error):
                raise UserError(f"MLflow's database {database} cannot be written: {error}") from error
            if "locked" not in str(error):
                return
        if time.monotonic() > deadline:
            raise _locked(database)
        if not told:
            told = True
            print(f"waiting: {database} is locked by {_users(database)}", file=sys.stderr, flush=True)


def _locked(database: Path) -> UserError:
    return UserError(
        f"MLflow's database {database} is locked by {_users(database)}: end that, and run `augmix track sync` again "
        "(the results are whole, MLflow only mirrors them)"
    )


def _users(database: Path) -> str:
    """The other processes that have the file open, as far as this one may know: `process 12 (python)`."""
    import psutil

    found = []
    for process in psutil.process_iter(["pid", "name"]):
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and any(Path(file.path) == database for file in process.open_files()):
                found.append(f"process {process.pid} ({process.info['name']})")
    return ", ".join(found) or "a process that this one cannot see"


def _relocate_artifacts(database: Path) -> None:
    """Point the database at the artifacts beside it, after both were moved: MLflow stores absolute paths."""
    artifacts = database.with_name(ARTIFACTS).as_uri()
    connection = sqlite3.connect(database, timeout=20)
    try:
        query = "SELECT artifact_location FROM experiments WHERE experiment_id = 0"
        location = (connection.execute(query).fetchone() or ("",))[0]
        known = location.removesuffix("/0")
        if known != artifacts and known.endswith(f"/{ARTIFACTS}"):
            with connection:
                for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE instr({column}, ?) = 1",
                        (artifacts, len(known) + 1, f"{known}/"),
                    )
    except sqlite3.Error as error:
        raise UserError(
            f"{database} is not a usable MLflow database ({error}): move it away and run "
            "`augmix track sync` to make it anew from the results"
        ) from error
    finally:
        connection.close()


def serve(results: Path, port: int = 5000, experiment: str = "") -> None:
    """Serve the MLflow UI of `results` on 127.0.0.1 until Ctrl-C, SIGTERM or SIGHUP.

    Prints its address once it answers, the page of the `experiment` if there is one; where the results are sent to a
    server, that one's. Raises `UserError` where there is no database yet or the port is taken, `RunError` when the
    server ends by itself.
    """
    database = database_path(uri := _supported(address(results)))
    if database is None:
        print(f"MLflow UI: {shown(uri)}, the server that MLFLOW_TRACKING_URI names")
        return
    if not database.is_file():
        raise UserError(f"{os.path.relpath(database)} does not exist yet: run `augmix track sync` first")
    _check_port(port)
    _prepare_database(database)
    command = [sys.executable, "-m", "mlflow", "server", "--host", _HOST, "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", _sqlite(database)]
    command += ["--artifacts-destination", database.with_name(ARTIFACTS).as_uri()]
    # Without job execution the server starts in half the time and needs no helper processes.
    switches = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = [signal.signal(number, signal.default_int_handler) for number in signals]
    with TemporaryFile() as log:
        # A session of its own: Ctrl-C reaches only this process, which then ends the server's whole group.
        environment = os.environ | switches | _home()
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_until_it_answers(server, port, log)
            print(f"MLflow UI: {_page(database, f'http://{_HOST}:{port}', experiment)} (Ctrl-C ends it)", flush=True)
            server.wait()
            raise RunError(f"the MLflow UI ended by itself: {_last_line(log)}")
        except KeyboardInterrupt:
            pass
        finally:
            for number in signals:
                signal.signal(number, signal.SIG_IGN)
            _end(server)
            for number, handler in zip(signals, previous, strict=True):
                signal.signal(number, handler)


def _page(database: Path, server: str, experiment: str) -> str:
    """The address of an experiment's page, or of the server where it has none."""
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'active'"
        found = connection.execute(query, (experiment,)).fetchone()
    return page.address(server, str(found[0])) if found else server


def _check_port(port: int) -> None:
    if not 1 <= port <= 65535:
        raise UserError(f"port {port} does not exist: choose one from 1024 to 65535 with --port")
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
        except OSError as error:
            raise UserError(f"port {port} is not free ({error.strerror}): choose another with --port") from error


def _wait_until_it_answers(server: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    deadline = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection(_HOST, port, timeout=2)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except (OSError, http.client.HTTPException):
            pass  # not yet
        finally:
            connection.close()
        time.sleep(0.2)
    raise RunError(f"the MLflow UI did not start: {_last_line(log)}")


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and its children: first politely, after five seconds for certain."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
            server.wait(timeout=5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
