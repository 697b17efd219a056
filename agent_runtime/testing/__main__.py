"""Serves a project's offline rules as an OpenAI-compatible model: for trying, never for work.

python -m agent_runtime.testing --app . --port 8500
OPENAI_BASE_URL=http://127.0.0.1:8500/v1 make demo
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from agent_runtime.app import load_app
from agent_runtime.errors import AgentRuntimeError
from agent_runtime.testing.openai_server import ChatServer
from agent_runtime.testing.rules import by_rules


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C."""
    asked = _parser().parse_args(arguments)
    try:
        app = load_app(asked.app)
        server = ChatServer(by_rules(app), models=["rules"], port=asked.port)
    except AgentRuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"Port {asked.port} cannot be used: {error.strerror}.\n")
        return 2
    with server:
        print(f"OPENAI_BASE_URL={server.base_url}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agent_runtime.testing", description=__doc__)
    parser.add_argument("--app", type=Path, default=Path(), help="the project's folder")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
