"""Runs Stepwright's test files: see https://github.com/stepwright/stepwright."""

from .runner import Case, Result, StepwrightError, is_test_file, run

__all__ = ["Case", "Result", "StepwrightError", "is_test_file", "run"]
