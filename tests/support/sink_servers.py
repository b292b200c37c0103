"""Real servers for the sink tests: started privately on free ports of 127.0.0.1, in folders of their own, from the installed
binaries. A missing binary skips the test with the Debian package's name; with OKEX_WS_SKIP_NOTHING=1 it fails it.
"""

from __future__ import annotations

import atexit
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import IO, ClassVar

import pytest

PASSWORD = "p@ss/w:rd#1"  # every character that has to be escaped in a URL
ESCAPED = "p%40ss%2Fw%3Ard%231"


def program(name: str, package: str) -> str:
    """The path of a program; skips or fails the test when it is not installed."""
    places = [*glob.glob("/usr/lib/postgresql/*/bin"), "/usr/sbin", "/usr/local/sbin", *os.environ.get("PATH", "").split(":")]
    path = shutil.which(name, path=":".join(sorted(places, key=lambda place: "postgresql" in place, reverse=True)))
    if path is not None:
        return path
    line = f"{name} is not installed; Debian package: {package} (scripts/install_servers.sh)"
    if os.environ.get("OKEX_WS_SKIP_NOTHING") == "1":
        pytest.fail(line)
    pytest.skip(line)


class Server:
    """A server process that can be killed, started again on the same port and data, stopped in its tracks and resumed."""

    ready: ClassVar[str]

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="okex-ws-server-"))
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None
        self.said: list[str] = []
        self.prepare()
        self.start()
        atexit.register(self.end)

    def prepare(self) -> None:
        """What comes before the first start."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def user(self) -> str | None:
        return None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command(),
            cwd=self.folder,
            user=self.user(),
            extra_groups=[] if self.user() else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if self.ready in line:
                break
        else:
            raise AssertionError("the server did not start:\n" + "".join(self.said[-20:]))
        threading.Thread(target=_drain, args=(self.process.stdout, self.said), daemon=True).start()

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(self.killing)
        self.process.wait()

    killing: ClassVar[signal.Signals] = signal.SIGKILL

    def pause(self) -> None:
        for pid in self.pids():
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in self.pids():
            os.kill(pid, signal.SIGCONT)

    def pids(self) -> list[int]:
        assert self.process is not None
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.resume()
            self.process.send_signal(self.killing)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _drain(lines: IO[str], said: list[str]) -> None:
    with lines:
        said.extend(lines)


class PostgresServer(Server):
    ready = "database system is ready to accept connections"
    killing = signal.SIGQUIT  # every process ends at once, without a checkpoint; a killed parent would leave children behind

    def user(self) -> str | None:
        # PostgreSQL refuses to run as root.
        return "postgres" if os.geteuid() == 0 else None

    def prepare(self) -> None:
        initdb = program("initdb", "postgresql")
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        user = self.user()
        if user:
            owner = pwd.getpwnam(user)
            for path in (self.folder, secret):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        subprocess.run(
            [initdb, "-D", "cluster", "-U", "okex", "-A", "scram-sha-256", "--pwfile", "secret", "-E", "UTF8", "-N",
             "--locale=C"],
            cwd=self.folder, user=user, extra_groups=[] if user else None, check=True, capture_output=True,
        )  # fmt: skip

    def command(self) -> list[str]:
        options = (f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}")
        return [program("postgres", "postgresql"), "-D", "cluster", *(word for option in options for word in ("-c", option))]

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://okex:{ESCAPED}@127.0.0.1:{self.port}/{database}"


class RedisServer(Server):
    ready = "Ready to accept connections"

    def command(self) -> list[str]:
        return [
            program("redis-server", "redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
            "--requirepass", PASSWORD, "--appendonly", "yes", "--appendfsync", "always", "--save", "",
        ]  # fmt: skip

    def url(self, database: int = 0) -> str:
        return f"redis://:{ESCAPED}@127.0.0.1:{self.port}/{database}"


class NatsServer(Server):
    ready = "Server is ready"
    jetstream = True

    def command(self) -> list[str]:
        # Only a configuration file can say when the disk is synced; a password with special characters is safest there too.
        jetstream = f'jetstream {{ store_dir: "{self.folder}/js" }}\n' if self.jetstream else ""
        login = f'authorization {{ user: okex, password: "{PASSWORD}" }}\n'
        (self.folder / "nats.conf").write_text(f'listen: "127.0.0.1:{self.port}"\n{jetstream}{login}')
        return [program("nats-server", "nats-server"), "-c", "nats.conf"]

    def url(self) -> str:
        return f"nats://okex:{ESCAPED}@127.0.0.1:{self.port}"


class PlainNatsServer(NatsServer):
    """A NATS server without JetStream."""

    jetstream = False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@cache
def postgres() -> PostgresServer:
    """The one PostgreSQL of this test run."""
    return PostgresServer()


@cache
def redis() -> RedisServer:
    """The one Redis of this test run."""
    return RedisServer()


@cache
def nats() -> NatsServer:
    """The one NATS server of this test run."""
    return NatsServer()


@cache
def plain_nats() -> PlainNatsServer:
    """The one NATS server without JetStream of this test run."""
    return PlainNatsServer()
