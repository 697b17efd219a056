"""A local server that speaks OpenAI's chat completions, so that no test needs the network."""

from __future__ import annotations

import contextlib
import itertools
import socket
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self

from agent_runtime.testing.chat import (
    Answer,
    ChatRequest,
    Response,
    failure,
    json_response,
    read_request,
    response,
)

MAX_BODY_BYTES = 4 * 1024 * 1024


class ChatServer:
    """Serves `answer` on a free port of 127.0.0.1 while its `with` block lasts.

    `requests` lists what was asked, in order of arrival. `failures` lists what `answer` raised:
    the client saw each as a 500 that asks not to be retried.
    """

    def __init__(self, answer: Answer, *, models: Sequence[str] = ("test-model",)) -> None:
        self.requests: list[ChatRequest] = []
        self.failures: list[Exception] = []
        self.models = tuple(models)
        self._answer = answer
        self._numbers = itertools.count(1)
        self._listener = _Listener(self)
        self._thread = threading.Thread(
            target=self._listener.serve_forever,
            # The end of the `with` block waits this long at worst.
            kwargs={"poll_interval": 0.02},
            name="chat-server",
            daemon=True,
        )

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._listener.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()
        self._listener.hang_up()

    def respond(self, request: ChatRequest) -> Response:
        self.requests.append(request)
        try:
            return response(next(self._numbers), request, self._answer(request))
        except Exception as error:  # noqa: BLE001  (whatever a test's code raises, its client hears)
            self.failures.append(error)
            # Retrying would only bury the error under further ones.
            headers = {"x-should-retry": "false"}
            return failure(500, f"{type(error).__name__}: {error}", headers)


class _Listener(ThreadingHTTPServer):
    # The default of 5 refuses connections when a benchmark opens many at once.
    request_queue_size = 256

    def __init__(self, server: ChatServer) -> None:
        self.chat = server
        self._open: set[Any] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the threads that wait for the next request of a kept-alive connection."""
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that hangs up is no news; a test that cancels a call does it on purpose.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one packet at once. As two, the second waits for the client's
    # delayed acknowledgement of the first: 40 ms a call.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout: ClassVar[float] = 300

    def do_GET(self) -> None:
        self._send(self._models())

    def do_POST(self) -> None:
        self._send(self._chat())

    def _models(self) -> Response:
        if self.path != "/v1/models":
            return failure(404, f"There is no {self.path} here.")
        data = [{"id": name, "object": "model", "created": 0} for name in self.server.chat.models]
        return json_response({"object": "list", "data": data})

    def _chat(self) -> Response:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            # What follows on this connection is a body, not another request.
            self.close_connection = True
            if not length.isdecimal():
                return failure(411, "A Content-Length is required.")
            return failure(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
        raw = self.rfile.read(int(length))
        if self.path != "/v1/chat/completions":
            return failure(404, f"There is no {self.path} here.")
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            request = read_request(raw, headers)
        except ValueError as error:
            return failure(400, str(error))
        return self.server.chat.respond(request)

    def _send(self, answer: Response) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: Any) -> None:
        """Write nothing: standard error belongs to the test."""
