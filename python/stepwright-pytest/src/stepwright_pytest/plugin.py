"""The pytest plugin: each case of a test file is a test, and fixtures give a simulator and a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .runner import Case, StepwrightError, complaint, is_test_file, run
from .server import Server
from .simulator import Simulator


@pytest.fixture(scope="session")
def stepwright_simulator() -> Simulator:
    """Runs state machines in virtual time, with callables as mocks."""
    return Simulator()


@pytest.fixture(scope="session")
def stepwright_server() -> Iterator[Server]:
    """A server of the Step Functions API that lives as long as the tests."""
    with Server() as server:
        yield server


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> pytest.Collector | None:
    if is_test_file(file_path):
        return StepwrightFile.from_parent(parent, path=file_path)
    return None


class StepwrightFile(pytest.File):
    """A test file. Its cases are run together, once, when they are collected: in a few milliseconds."""

    def collect(self) -> Iterator[pytest.Item]:
        try:
            result = run(self.path)
        except StepwrightError as error:
            raise self.CollectError(str(error)) from None
        if result.complaints:
            raise self.CollectError("\n".join(map(complaint, result.complaints)))
        for case in result.cases:
            yield StepwrightCase.from_parent(self, name=case.name, case=case)


class StepwrightCase(pytest.Item):
    def __init__(self, *, case: Case, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.case = case

    def runtest(self) -> None:
        if not self.case.passed:
            raise CaseFailed(self.case)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, CaseFailed):
            return excinfo.value.case.explain()
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name


class CaseFailed(Exception):
    def __init__(self, case: Case) -> None:
        super().__init__(case.name)
        self.case = case
