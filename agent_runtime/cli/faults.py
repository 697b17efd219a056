"""How the command line ends: one clear line for every error, its exit code, never a traceback."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from agent_runtime.cli.visible import short, visible
from agent_runtime.errors import AgentRuntimeError

INTERRUPTED = 130
USAGE = 2
UNEXPECTED = 1
REMEDY_FOR_DEFECTS = "This is a defect. AGENT_RUNTIME_LOG_LEVEL=DEBUG shows where it comes from."


def run_to_end(command: Callable[..., Any], *, as_json: bool) -> int:
    """Run the command line; returns its exit code, with every error told."""
    try:
        code = command(standalone_mode=False)
    except AgentRuntimeError as error:
        _tell(error.code, error.message, error.remedy, as_json=as_json)
        return error.exit_code
    except typer.TyperException as error:
        return _misused(error, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        drop_output()
        return 0
    except Exception as error:  # noqa: BLE001 — a defect, ours or an author's: told, not dumped
        if os.environ.get("AGENT_RUNTIME_LOG_LEVEL", "").upper() == "DEBUG":
            traceback.print_exc()
        words = f"{type(error).__name__} in {_place(error)}: {short(str(error), 200)}"
        _tell("unexpected_error", f"Unexpected {words}", REMEDY_FOR_DEFECTS, as_json=as_json)
        return UNEXPECTED
    if code == INTERRUPTED:
        remedy = "Nothing is lost; go on with: agent-runtime runs resume"
        _tell("interrupted", "Interrupted.", remedy, as_json=as_json)
    return code if isinstance(code, int) else 0


def drop_output() -> None:
    """Send what is still to be printed nowhere, the interpreter's own last flush included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _misused(error: typer.TyperException, *, as_json: bool) -> int:
    message = error.format_message()
    if message.startswith("Usage:"):  # a bare group: its help is the answer
        print(message)
        return USAGE
    path = getattr(getattr(error, "ctx", None), "command_path", "agent-runtime")
    _tell("usage", message, f"See: {path} --help", as_json=as_json)
    return USAGE


def _tell(code: str, message: str, remedy: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": {"code": code, "message": message, "remedy": remedy}}))
    first, *further = message.split("\n")
    lines = [f"error: {first}", *further, *([f"  → {remedy}"] if remedy else [])]
    sys.stderr.write("".join(f"{visible(line)}\n" for line in lines))


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
