"""Run with `python3 -m unittest` (or pytest); needs the binary: STEPWRIGHT_BIN, or on the PATH."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

from stepwright_pytest import Server, Simulator, StepwrightError, TaskFails, is_test_file, run  # noqa: E402

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


ORDER = {
    "StartAt": "Wait",
    "States": {
        "Wait": {"Type": "Wait", "Seconds": 86400, "Next": "Charge"},
        "Charge": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "charge", "Payload.$": "$"},
            "ResultSelector": {"receipt.$": "$.Payload"},
            "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 60}],
            "Catch": [{"ErrorEquals": ["ValueError"], "Next": "Apologise"}],
            "Next": "Publish",
        },
        "Publish": {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Parameters": {"Message": "m"}, "End": True},
        "Apologise": {"Type": "Fail", "Error": "Sorry"},
    },
}


class InVirtualTime(unittest.TestCase):
    def test_callables_are_mocks(self):
        answers = iter([TaskFails("Busy", "later"), {"paid": 7}])

        def charge(event):
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return {**answer, "for": event["id"]}

        ran = Simulator().run(ORDER, {"id": 1}, {"Charge": charge, "Publish": {"MessageId": "x"}}).check()
        self.assertEqual(ran.output, {"MessageId": "x"})
        self.assertEqual(ran.elapsed_seconds, 86400 + 60)
        self.assertEqual(ran.calls["Charge"], [{"id": 1}, {"id": 1}])
        self.assertEqual(ran.path, ["Wait", "Charge", "Publish"])
        self.assertIn("(attempt 2 of 4)", ran.timeline)

    def test_any_exception_fails_the_task(self):
        def charge(event):
            raise ValueError("no money")

        ran = Simulator().run(ORDER, {}, {"Charge": charge})
        self.assertEqual((ran.status, ran.error), ("FAILED", "Sorry"))
        with self.assertRaises(AssertionError) as failed:
            ran.check()
        self.assertIn("caught by ValueError", str(failed.exception))

    def test_what_cannot_be_run_is_an_error(self):
        with self.assertRaises(StepwrightError) as refused:
            Simulator().run({"StartAt": "A", "States": {"A": {"Type": "Task"}}})
        self.assertIn("Resource", str(refused.exception))


class OnAServer(unittest.TestCase):
    def test_a_server_is_started_and_stopped(self):
        import urllib.request

        with Server() as server:
            self.assertEqual(urllib.request.urlopen(server.url + "/health").status, 200)
            self.assertEqual(server.environment["AWS_ENDPOINT_URL_SFN"], server.url)
            try:
                client = server.client()
            except ImportError:
                client = None
            if client:
                self.assertEqual(client.list_state_machines()["stateMachines"], [])
        self.assertIsNotNone(server.process.poll())


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

    def test_fixtures_give_a_simulator_and_a_server(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "test_flow.py"
            path.write_text(
                "def test_flow(stepwright_simulator, stepwright_server):\n"
                "    definition = {'StartAt': 'A', 'States': {'A': {'Type': 'Pass', 'Result': 1, 'End': True}}}\n"
                "    assert stepwright_simulator.run(definition).output == 1\n"
                "    assert stepwright_server.url.startswith('http://127.0.0.1:')\n",
                encoding="utf-8",
            )
            done = self.pytest(path)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_the_quickstart_is_collected(self):
        done = self.pytest(QUICKSTART)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("5 passed", done.stdout)


if __name__ == "__main__":
    unittest.main()
