"""OpenAI's batch endpoint in the local server: files, batches, and what becomes of them."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Literal
from urllib.parse import parse_qs

from agent_runtime.testing.chat import Json, Response, failure, json_response

Fate = Literal["completed", "expired", "failed"]
"""expired: only every other request was done in time; failed: none was begun."""

OneByOne = Callable[[str, Json], Response]
"""Answers one request: its path and its body."""


@dataclass
class BatchDesk:
    """What the server does with batches. `looks`: how often one is looked at before it ends;
    `fate`: how it ends; `refuses`: what is said to every request instead, such as a 404 of a
    provider that knows no batches; `unheard`: how many batches are begun with a 503 for an answer.
    `batches` and `files` are what is there by now."""

    looks: int = 1
    fate: Fate = "completed"
    refuses: Response | None = None
    unheard: int = 0
    batches: dict[str, Json] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    _looked: dict[str, int] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _lock: Any = field(default_factory=threading.Lock)

    def respond(
        self, method: str, path: str, headers: str, raw: bytes, answer: OneByOne
    ) -> Response | None:
        """What is said to a request about files or batches; None where it is about neither.
        `headers`: its Content-Type."""
        path, _, query = path.partition("?")
        kind, *rest = path.removeprefix("/v1/").split("/")
        if kind not in ("files", "batches"):
            return None
        if self.refuses is not None:
            return self.refuses
        with self._lock:
            if kind == "files":
                said = self._files(method, rest, headers, raw)
            else:
                said = self._batches(method, rest, query, raw, answer)
        return said or failure(404, f"There is no {path} here.")

    def _files(self, method: str, rest: list[str], headers: str, raw: bytes) -> Response | None:
        match method, rest:
            case "POST", []:
                return json_response(self._upload(headers, raw))
            case "GET", [name, "content"] if name in self.files:
                return Response(200, self.files[name], content_type="application/jsonl")
            case "DELETE", [name] if self.files.pop(name, None) is not None:
                return json_response({"id": name, "object": "file", "deleted": True})
            case _:
                return None

    def _batches(
        self, method: str, rest: list[str], query: str, raw: bytes, answer: OneByOne
    ) -> Response | None:
        match method, rest:
            case "POST", []:
                return self._begin(json.loads(raw))
            case "GET", []:
                return json_response(self._list(parse_qs(query)))
            case "POST", [name, "cancel"] if name in self.batches:
                self.batches[name]["status"] = "cancelled"
                return json_response(self.batches[name])
            case "GET", [name] if name in self.batches:
                self._look(self.batches[name], answer)
                return json_response(self.batches[name])
            case _:
                return None

    def _list(self, query: Mapping[str, list[str]]) -> Json:
        """The newest first, a page of them."""
        newest = list(reversed(self.batches.values()))
        after = [at for at, one in enumerate(newest, start=1) if [one["id"]] == query.get("after")]
        rest = newest[sum(after) :]
        page = rest[: int(query.get("limit", ["20"])[0])]
        return {"object": "list", "data": page, "has_more": len(rest) > len(page)}

    def _upload(self, headers: str, raw: bytes) -> Json:
        head = f"Content-Type: {headers}\r\n\r\n".encode()
        parts: Any = BytesParser(policy=HTTP).parsebytes(head + raw).iter_parts()
        (content,) = [part.get_content() for part in parts if part.get_filename()]
        name = self._keep(content)
        return {"id": name, "object": "file", "bytes": len(content), "purpose": "batch"}

    def _keep(self, content: bytes) -> str:
        name = f"file-{next(self._numbers)}"
        self.files[name] = content
        return name

    def _begin(self, asked: Json) -> Response:
        if asked.get("input_file_id") not in self.files:
            return failure(400, "There is no such file.")
        name = f"batch_{next(self._numbers)}"
        told = {"id": name, "object": "batch", "created_at": 0, "status": "in_progress"}
        self.batches[name] = asked | told
        if self.unheard:
            self.unheard -= 1
            return failure(503, "Not now.")
        return json_response(self.batches[name])

    def _look(self, batch: Json, answer: OneByOne) -> None:
        self._looked[batch["id"]] = self._looked.get(batch["id"], 0) + 1
        if batch["status"] != "in_progress" or self._looked[batch["id"]] <= self.looks:
            return
        batch["status"] = self.fate
        if self.fate == "failed":
            return
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        done = lines if self.fate == "completed" else lines[::2]
        said = [_said(line, answer(line["url"], line["body"])) for line in done]
        late = [_late(line) for line in lines if line not in done]
        good = [line for line in said if line["response"]["status_code"] == 200]
        bad = [line for line in said if line not in good] + late
        for field_, some in (("output_file_id", good), ("error_file_id", bad)):
            if some:
                text = "".join(f"{json.dumps(line)}\n" for line in some)
                batch[field_] = self._keep(text.encode())


def _said(line: Json, answer: Response) -> Json:
    response = {"status_code": answer.status, "request_id": "", "body": json.loads(answer.body)}
    return {"id": "", "custom_id": line["custom_id"], "response": response, "error": None}


def _late(line: Json) -> Json:
    error = {"code": "batch_expired", "message": "This request was not done in time."}
    return {"id": "", "custom_id": line["custom_id"], "response": None, "error": error}
