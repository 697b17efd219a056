"""A local server that speaks OpenAI's chat completions, so that no test needs the network."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self

from agent_runtime.testing import responses
from agent_runtime.testing.batches import BatchDesk
from agent_runtime.testing.chat import (
    FOREVER,
    Answer,
    ChatReply,
    ChatRequest,
    Response,
    failure,
    json_response,
    read_request,
    response,
)

MAX_BODY_BYTES = 4 * 1024 * 1024

Embed = Callable[[str], list[float]]


class ChatServer:
    """Serves `answer` on a port of 127.0.0.1, a free one by default, while its `with` block lasts.

    `embed` makes the vector of each text that is asked for at `/v1/embeddings`, or `refuses` is
    what is said there; `embedded` lists how many texts were in each request.
    `requests` lists what was asked, in order of arrival. `failures` lists what `answer` raised:
    the client saw each as a 500 that asks not to be retried. `desk`: what becomes of batches.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        models: Sequence[str] = ("test-model",),
        embed: Embed = lambda text: [float(len(text)), 1.0],
        refuses: ChatReply | None = None,
        port: int = 0,
        desk: BatchDesk | None = None,
    ) -> None:
        self.requests: list[ChatRequest] = []
        self.failures: list[Exception] = []
        self.models = tuple(models)
        self.desk = desk or BatchDesk()
        self._answer = answer
        self.embedded: list[int] = []
        self._embed = embed
        self._refuses = refuses
        self._ended = threading.Event()
        self._numbers = itertools.count(1)
        self._listener = _Listener(self, port)
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
        self._ended.set()
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()
        self._listener.hang_up()

    def wait(self, seconds: float) -> None:
        """Let a delay pass, or the server's end, whichever comes first."""
        self._ended.wait(None if seconds == FOREVER else seconds)

    def embed(self, body: Any) -> Response:
        """Vectors for a list of texts."""
        texts = body.get("input", []) if isinstance(body, dict) else []
        self.embedded.append(len(texts))
        if self._refuses is not None:
            return failure(self._refuses.status, self._refuses.error)
        data = [
            {"object": "embedding", "index": index, "embedding": self._embed(text)}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        told = {"object": "list", "data": data, "model": str(body.get("model")), "usage": usage}
        return json_response(told)

    def respond(self, request: ChatRequest, *, newer: bool = False) -> Response:
        """The answer's form is the newer API's where it was asked for there."""
        self.requests.append(request)
        try:
            reply, number = self._answer(request), next(self._numbers)
            if newer and reply.status == 200:
                return responses.told(number, request, reply)
            return response(number, request, reply)
        except Exception as error:  # noqa: BLE001  (whatever a test's code raises, its client hears)
            self.failures.append(error)
            # Retrying would only bury the error under further ones.
            headers = {"x-should-retry": "false"}
            return failure(500, f"{type(error).__name__}: {error}", headers)


class _Listener(ThreadingHTTPServer):
    # The default of 5 refuses connections when a benchmark opens many at once.
    request_queue_size = 256

    def __init__(self, server: ChatServer, port: int) -> None:
        self.chat = server
        self._open: set[Any] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

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
        self._send(self._batch(b"") or self._models())

    def do_DELETE(self) -> None:
        self._send(self._batch(b"") or failure(404, f"There is no {self.path} here."))

    def do_POST(self) -> None:
        self._send(self._posted())

    def _batch(self, raw: bytes) -> Response | None:
        """What is said where it is about a batch."""

        def one(path: str, body: Any) -> Response:
            return self._answered(path, json.dumps(body).encode())

        kind = self.headers.get("Content-Type", "")
        return self.server.chat.desk.respond(self.command, self.path, kind, raw, one)

    def _models(self) -> Response:
        if self.path != "/v1/models":
            return failure(404, f"There is no {self.path} here.")
        data = [{"id": name, "object": "model", "created": 0} for name in self.server.chat.models]
        return json_response({"object": "list", "data": data})

    def _posted(self) -> Response:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            # What follows on this connection is a body, not another request.
            self.close_connection = True
            if not length.isdecimal():
                return failure(411, "A Content-Length is required.")
            return failure(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
        raw = self.rfile.read(int(length))
        return self._batch(raw) or self._answered(self.path, raw)

    def _answered(self, path: str, raw: bytes) -> Response:
        if path == "/v1/embeddings":
            return self.server.chat.embed(json.loads(raw))
        if path == responses.PATH:
            raw = responses.as_chat(raw)
        elif path != "/v1/chat/completions":
            return failure(404, f"There is no {path} here.")
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            request = read_request(raw, headers)
        except ValueError as error:
            return failure(400, str(error))
        return self.server.chat.respond(request, newer=path == responses.PATH)

    def _send(self, answer: Response) -> None:
        if answer.delay:
            self.server.chat.wait(answer.delay)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if answer.cut:
            self.close_connection = True
            self.wfile.write(answer.body[: len(answer.body) // 2])
        else:
            self.wfile.write(answer.body)
        if self.close_connection:
            self._drain()

    def _drain(self) -> None:
        """Read on for a moment: a socket that closes with unread bytes takes the answer with it."""
        self.wfile.flush()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(0.2)
            while self.connection.recv(65_536):
                pass

    def log_message(self, *_: Any) -> None:
        """Write nothing: standard error belongs to the test."""
