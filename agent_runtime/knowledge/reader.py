"""The reader: documents are parsed in a process of their own, within so much time and memory.

Whoever writes a document decides what its parser does. Here it can hang, crash or swell: the
process is ended, the document is refused by its name, and the next one finds a new process.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from agent_runtime.errors import InvalidInput
from agent_runtime.knowledge.parse import Section, parse

SECONDS = 30.0
"""Of work on one document; what takes longer never ends."""
PATIENCE = 300.0
"""Seconds that it may take, whatever it does meanwhile: the machine may be busy with others."""
MEMORY = 1_500_000_000
"""Bytes that the process may address, itself included."""
LONGEST = 200_000_000
"""Bytes of an answer: all texts of a document, however they are escaped."""

BROKEN = "breaks its parser"

_LENGTH = struct.Struct(">I")


class Reader:
    """Parses documents one at a time, from any thread. The process is started when it is first
    needed and stays; it ends with `close`, or with the process that started it."""

    def __init__(
        self, seconds: float = SECONDS, memory: int = MEMORY, patience: float = PATIENCE
    ) -> None:
        self._seconds = seconds
        self._memory = memory
        self._patience = patience
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, name: str, media: str, raw: bytes) -> list[Section]:
        """A document's sections; raises InvalidInput that names it and what is wrong with it."""
        with self._lock:
            answer = self._ask({"name": name, "media": media}, raw)
        if "refused" in answer:
            problem, remedy = answer["refused"]
            raise InvalidInput("document", name, problem, remedy=remedy)
        return [Section(place, text) for place, text in answer["sections"]]

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end()

    def _ask(self, head: dict[str, str], raw: bytes) -> dict[str, Any]:
        process = self._process
        if process is None or process.poll() is not None:
            self._end()
            process = self._start()
        try:
            _put(_pipe(process.stdin), json.dumps(head).encode(), raw)
            answer: dict[str, Any] = json.loads(_get(_pipe(process.stdout)))
        except (OSError, EOFError, ValueError):
            why = self._why(self._end())
            return {"refused": [why, "Save it anew, or cut it into parts."]}
        return answer

    def _why(self, ended: int) -> str:
        """What was wrong with a document, by how the process ended on it."""
        match -ended:
            case signal.SIGPROF:
                return f"takes more than {self._seconds:g} s of work to read"
            case signal.SIGALRM:
                return f"is not read within {self._patience:g} s"
            case _:
                return BROKEN

    def _start(self) -> subprocess.Popen[bytes]:
        # No setting of ours and no key is told to a process that reads what strangers wrote.
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        limits = (self._memory, self._seconds, self._patience)
        self._process = subprocess.Popen(  # noqa: S603 — our own module
            [sys.executable, "-m", __name__, *map(str, limits)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        return self._process

    def _end(self) -> int:
        """How the process ended, if by a signal: its number, negative."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.kill()
        ended = process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                _pipe(pipe).close()
        return ended


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise EOFError
    return pipe


def _put(pipe: IO[bytes], *parts: bytes) -> None:
    for part in parts:
        pipe.write(_LENGTH.pack(len(part)) + part)
    pipe.flush()


def _get(pipe: IO[bytes]) -> bytes:
    """One part; raises EOFError at the end, and for one that is too long."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    if length > LONGEST:
        raise EOFError
    part = pipe.read(length)
    if len(part) < length:
        raise EOFError
    return part


def _serve(memory: int, seconds: float, patience: float) -> None:
    """The process: reads documents until nobody sends any more."""
    _limit(memory)
    while True:
        try:
            head, raw = json.loads(_get(sys.stdin.buffer)), _get(sys.stdin.buffer)
        except EOFError:
            return
        with timed(seconds, patience):
            answer = _answer(head, raw)
        _put(sys.stdout.buffer, answer)


@contextmanager
def timed(seconds: float, patience: float) -> Iterator[None]:
    """This process ends itself where it works longer than `seconds`, or takes longer than
    `patience`: also where whoever started it is gone, and whatever a parser is doing."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, patience)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _limit(memory: int) -> None:
    """Bound what a parser may take, and leave it no file to write, not even a core. Where a
    system doesn't know a limit, the other one holds."""
    for kind, limit in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, 0)):
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))


def _answer(head: dict[str, str], raw: bytes) -> bytes:
    try:
        found = parse(head["name"], head["media"], raw)
        return json.dumps({"sections": [[one.place, one.text] for one in found]}).encode()
    except InvalidInput as error:
        refused = [error.problem, error.remedy]
    except MemoryError:
        refused = ["needs more memory to read than there is", "Cut it into parts."]
    except Exception as error:  # noqa: BLE001 — whatever a parser raises, only this document fails
        refused = [f"{BROKEN} ({type(error).__name__})", "Save it anew."]
    return json.dumps({"refused": refused}).encode()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
