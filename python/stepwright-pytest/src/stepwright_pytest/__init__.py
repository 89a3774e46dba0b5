"""Tests of state machines: test files, a simulator in virtual time, a server.

See https://github.com/stepwright/stepwright.
"""

from .runner import Case, Result, StepwrightError, is_test_file, run
from .server import Server
from .simulator import Execution, Mock, Simulator, TaskFails

__all__ = [
    "Case",
    "Execution",
    "Mock",
    "Result",
    "Server",
    "Simulator",
    "StepwrightError",
    "TaskFails",
    "is_test_file",
    "run",
]
