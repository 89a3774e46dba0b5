"""Calls `stepwright test` and reads what it says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass, field
from typing import Any

ENDINGS = (".test.yaml", ".test.yml", ".test.json")


class StepwrightError(Exception):
    """The tests could not be run: no binary, or a file that cannot be used."""


@dataclass
class Case:
    """How one case went."""

    file: str
    name: str
    passed: bool
    details: dict[str, Any] = field(repr=False)

    def explain(self) -> str:
        """What is not as it should be, in lines for a person."""
        lines = []
        for unmocked in self.details.get("unmocked", []):
            of = f" of `{unmocked['machine']}`" if "machine" in unmocked else ""
            lines.append(f"`{unmocked['state']}`{of} is called and not answered: {unmocked['why']}")
            lines.append(f"  it calls {unmocked['resource']}")
            lines.append(f"  with     {json.dumps(unmocked['input'])}")
        for mismatch in self.details.get("mismatches", []):
            lines.append(mismatch["what"])
            places = mismatch.get("differences") or [mismatch]
            for place in places:
                if "path" in place:
                    lines.append(f"  {place['path']}")
                lines.append(f"    expected  {_shown(place, 'expected')}")
                lines.append(f"    is        {_shown(place, 'actual')}")
            if mismatch.get("note"):
                lines.append(f"  {mismatch['note']}")
        return "\n".join(lines)

    def check(self) -> None:
        """Raises an AssertionError unless the case has passed."""
        assert self.passed, f"{self.name}\n{self.explain()}"


@dataclass
class Result:
    """How all cases went."""

    cases: list[Case]
    complaints: list[dict[str, Any]]
    coverage: list[dict[str, Any]]

    @property
    def passed(self) -> bool:
        return not self.complaints and all(case.passed for case in self.cases)


def is_test_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one of Stepwright's test files, by its name."""
    return os.fspath(path).endswith(ENDINGS)


def binary() -> str:
    """The command: `STEPWRIGHT_BIN`, or the one that pip has put beside this Python, or `stepwright` on the PATH."""
    named = os.environ.get("STEPWRIGHT_BIN")
    beside = None if named else shutil.which("stepwright", path=sysconfig.get_path("scripts"))
    found = beside or shutil.which(named or "stepwright")
    if not found:
        where = f"STEPWRIGHT_BIN names {named}, which is not there" if named else "it is not on the PATH"
        raise StepwrightError(f"the command `stepwright` cannot be run: {where}")
    return found


def run(*paths: str | os.PathLike[str], filter: str | None = None) -> Result:
    """Runs the test files, or those in directories. Raises StepwrightError if that cannot be done."""
    command = [binary(), "test", "--format", "json", *(os.fspath(path) for path in paths)]
    if filter is not None:
        command += ["--filter", filter]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    try:
        said = json.loads(done.stdout)
    except ValueError:
        raise StepwrightError(done.stderr.strip() or f"exit code {done.returncode}") from None
    cases = [
        Case(file=file["file"], name=case["name"], passed=case["passed"], details=case)
        for file in said["files"]
        for case in file["cases"]
    ]
    return Result(cases=cases, complaints=said["complaints"], coverage=said["coverage"])


def complaint(found: dict[str, Any]) -> str:
    """A complaint about a file on one line, as compilers write them."""
    place = ":".join(str(found[key]) for key in ("file", "line", "column") if key in found)
    text = f"{place}: {found['message']}"
    return f"{text} ({found['help']})" if found.get("help") else text


def _shown(place: dict[str, Any], key: str) -> str:
    return json.dumps(place[key], ensure_ascii=False) if key in place else "nothing"
