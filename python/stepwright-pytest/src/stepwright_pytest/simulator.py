"""Runs a state machine in virtual time, with callables as mocks."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Union

from .runner import StepwrightError, binary

Mock = Union[Callable[[Any], Any], Any]
"""What a state's task answers: a callable that gets the task's input, or the result itself."""


class TaskFails(Exception):
    """Raised by a mock: the task fails with this error. Any other exception fails it with its own name."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


@dataclass
class Execution:
    """How an execution ended, and what happened on the way."""

    status: str
    output: Any
    error: str | None
    cause: str | None
    elapsed_seconds: float
    """Virtual seconds: a wait of three days takes none."""
    events: list[dict[str, Any]] = field(repr=False)
    """The history as AWS's `GetExecutionHistory` gives it."""
    calls: dict[str, list[Any]] = field(repr=False)
    """The inputs that each mock was called with, by state."""
    timeline: str = field(repr=False)
    """The timeline, for a person."""

    @property
    def succeeded(self) -> bool:
        return self.status == "SUCCEEDED"

    @property
    def path(self) -> list[str]:
        """The states in the order in which they were entered."""
        entered = (event.get("stateEnteredEventDetails") for event in self.events)
        return [details["name"] for details in entered if details]

    def check(self) -> Execution:
        """Raises an AssertionError, with the timeline, unless the execution has succeeded."""
        assert self.succeeded, f"{self.status} {self.error or ''}: {self.cause or ''}\n{self.timeline}"
        return self


class Simulator:
    """Runs state machines in virtual time.

    >>> simulator = Simulator()
    >>> simulator.run({"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": 1, "End": True}}}).output
    1
    """

    def __init__(self, command: str | None = None) -> None:
        self.command = command or binary()

    def run(
        self,
        definition: Mapping[str, Any] | str | os.PathLike[str],
        input: Any = None,
        mocks: Mapping[str, Mock] | None = None,
        *,
        state_machine: str | None = None,
        values: Mapping[str, str] | None = None,
        seed: int | None = 1,
    ) -> Execution:
        """Runs a definition: a mapping, or the path of a definition, template or project.

        `mocks` answers tasks by the name of their state. A `lambda:invoke` task sends its `Payload` to
        the mock. `values` are for `${Name}`, `state_machine` chooses one of a template.
        """
        mocks = dict(mocks or {})
        with tempfile.TemporaryDirectory() as folder, _Answering(mocks) as answering:
            path = _file(definition, Path(folder))
            config = Path(folder) / "stepwright.toml"
            config.write_text(answering.config(), encoding="utf-8")
            empty = Path(folder) / "mocks.yaml"
            empty.write_text("{}\n", encoding="utf-8")
            command = [self.command, "run", os.fspath(path), "--virtual-time", "--output", "json"]
            command += ["--config", str(config), "--mocks", str(empty)]
            command += ["--input", json.dumps({} if input is None else input)]
            if seed is not None:
                command += ["--seed", str(seed)]
            if state_machine is not None:
                command += ["--state-machine", state_machine]
            for name, value in (values or {}).items():
                command += ["--set", f"{name}={value}"]
            command += ["--timeline"]
            done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
        try:
            said = json.loads(done.stdout)
        except ValueError:
            raise StepwrightError(done.stderr.strip() or f"exit code {done.returncode}") from None
        return Execution(
            status=said["status"],
            output=said.get("output"),
            error=said.get("error"),
            cause=said.get("cause"),
            elapsed_seconds=said["elapsedMillis"] / 1000,
            events=said["events"],
            calls=answering.calls,
            timeline=done.stderr,
        )


def _file(definition: Mapping[str, Any] | str | os.PathLike[str], folder: Path) -> Path:
    if not isinstance(definition, Mapping):
        return Path(definition)
    path = folder / "machine.asl.json"
    path.write_text(json.dumps(definition), encoding="utf-8")
    return path


class _Answering:
    """A server on this machine that calls the mocks."""

    def __init__(self, mocks: Mapping[str, Mock]) -> None:
        self.names = list(mocks)
        self.calls: dict[str, list[Any]] = {name: [] for name in mocks}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                event = json.loads(self.rfile.read(length) or b"null")
                name = outer.names[int(self.path.strip("/"))]
                outer.calls[name].append(event)
                body = json.dumps(_answer(mocks[name], event)).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> _Answering:
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def config(self) -> str:
        port = self.server.server_address[1]
        lines = (
            f"[functions.{json.dumps(name)}]\nhttp = \"http://127.0.0.1:{port}/{at}\"\n"
            for at, name in enumerate(self.names)
        )
        return "\n".join(lines)


def _answer(mock: Mock, event: Any) -> Any:
    if not callable(mock):
        return mock
    try:
        return mock(event)
    except TaskFails as failure:
        return {"errorType": failure.error, "errorMessage": failure.cause}
    except Exception as error:  # noqa: BLE001
        return {"errorType": type(error).__name__, "errorMessage": str(error)}
