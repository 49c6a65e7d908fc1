"""A peer that answers as it is told to: for what the server of these tests cannot be (a proxy, a picky TLS server,
one that takes tokens)."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

ACK = "HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\nContent-Length: 0\r\n\r\n"
"""Enough for a Ping."""


class Peer:
    """Takes any number of connections, and answers their requests in this order, each after its delay in seconds."""

    def __init__(
        self, *answers: str, tls: ssl.SSLContext | None = None, pauses: Iterable[float] = (), address: str = "127.0.0.1"
    ) -> None:
        self.heads: list[str] = []
        self.certificates: list[object] = []
        self._answers = list(answers)
        self._tls = tls
        self._pauses = list(pauses)
        self._socket = socket.create_server((address, 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Wakes a thread that waits in accept().
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while self._answers:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.settimeout(30)
            # The client may leave one connection open and take another.
            thread = threading.Thread(target=self._try_to_talk, args=(connection,), daemon=True)
            thread.start()

    def _try_to_talk(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._talk(connection)
            except OSError:
                # The client does not like us, which is what it tells the test.
                pass

    def _talk(self, connection: socket.socket) -> None:
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
            assert isinstance(connection, ssl.SSLSocket)
            self.certificates.append(connection.getpeercert())
        with connection, connection.makefile("rb") as reader:
            while self._answers:
                lines: list[str] = []
                while line := reader.readline().decode().strip():
                    lines.append(line)
                if not lines:
                    return
                self.heads.append("\n".join(lines))
                length = [line.partition(":")[2] for line in lines if line.lower().startswith("content-length:")]
                reader.read(int(length[0]) if length else 0)
                time.sleep(self._pauses.pop(0) if self._pauses else 0)
                connection.sendall(self._answers.pop(0).encode())
