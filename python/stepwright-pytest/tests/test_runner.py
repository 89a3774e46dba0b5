"""Run with `python3 -m unittest` (or pytest); needs the binary: STEPWRIGHT_BIN, or on the PATH."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

from stepwright_pytest import StepwrightError, is_test_file, run  # noqa: E402

QUICKSTART = HERE.parents[2] / "examples" / "quickstart"

FAILING = """
definition: {StartAt: A, States: {A: {Type: Pass, Result: 1, End: true}}}
cases:
  - {name: right, expect: {output: 1}}
  - {name: wrong, expect: {output: 2}}
"""


def module(*arguments):
    environment = dict(os.environ, PYTHONPATH=str(HERE.parent / "src"))
    command = [sys.executable, "-m", "stepwright_pytest", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


class Runner(unittest.TestCase):
    def write(self, text):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "a.test.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def test_the_quickstart_passes(self):
        result = run(QUICKSTART)
        self.assertTrue(result.passed)
        self.assertEqual(len(result.cases), 5)
        self.assertEqual(result.coverage[0]["all"]["percent"], 100.0)

    def test_a_failure_says_what_differs(self):
        result = run(self.write(FAILING))
        right, wrong = result.cases
        self.assertTrue(right.passed)
        self.assertIn("expected  2\n    is        1", wrong.explain())
        with self.assertRaises(AssertionError):
            wrong.check()

    def test_one_case_can_be_chosen(self):
        cases = run(self.write(FAILING), filter="wrong").cases
        self.assertEqual([case.name for case in cases], ["wrong"])

    def test_a_bad_file_is_complained_about(self):
        result = run(self.write("cases: [{nme: x}]\ndefinition: {StartAt: A, States: {A: {Type: Succeed}}}\n"))
        self.assertFalse(result.passed)
        self.assertEqual(result.complaints[0]["line"], 1)
        self.assertIn("did you mean `name`?", result.complaints[0]["help"])

    def test_a_missing_file_is_an_error(self):
        with self.assertRaises(StepwrightError):
            run("nowhere.test.yaml")

    def test_exit_codes(self):
        self.assertEqual(module(QUICKSTART).returncode, 0)
        failed = module(self.write(FAILING))
        self.assertEqual(failed.returncode, 1, failed.stderr)
        self.assertIn("1 passed, 1 failed", failed.stdout)
        self.assertEqual(module("nowhere.test.yaml").returncode, 2)

    def test_names_of_test_files(self):
        self.assertTrue(is_test_file("a/order.test.yaml"))
        self.assertFalse(is_test_file("order.yaml"))


try:
    import pytest  # noqa: F401
except ImportError:
    pytest = None


@unittest.skipIf(pytest is None, "pytest is not installed")
class Plugin(Runner):
    def pytest(self, path):
        environment = dict(os.environ, PYTHONPATH=str(HERE.parent / "src"))
        command = [sys.executable, "-m", "pytest", "-p", "stepwright_pytest.plugin", "-p", "no:cacheprovider", "-q", str(path)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=path.parent)

    def test_each_case_is_a_test(self):
        done = self.pytest(self.write(FAILING))
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("1 failed, 1 passed", done.stdout)
        self.assertIn("expected  2", done.stdout)

    def test_the_quickstart_is_collected(self):
        done = self.pytest(QUICKSTART)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("5 passed", done.stdout)


if __name__ == "__main__":
    unittest.main()
