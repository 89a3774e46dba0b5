"""What serves state machines on AWS: the starter of subscribers, and event processors."""

import base64
import datetime
import gzip
import http.server
import json
import os
import sys
import tempfile
import threading
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.dirname(__file__))

from fakes import Dynamo, States  # noqa: E402

from stepwright_fluxio.aws import processor, starter, task, telemetry  # noqa: E402

ARN = "arn:aws:states:eu-west-1:1:execution:dev-shop-main:order-7"


def ended(status, **detail):
    detail = {"executionArn": ARN, "name": "order-7", "status": status, "stopDate": 1} | detail
    return {"source": "aws.states", "detail-type": "Step Functions Execution Status Change", "detail": detail}


class Starter(unittest.TestCase):
    def setUp(self):
        self.states = States()
        for patch in (
            mock.patch.object(starter, "client", return_value=self.states),
            mock.patch.dict(os.environ, {"STEPWRIGHT_STATE_MACHINE": "arn:machine"}),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def start(self, message, message_id="m-1"):
        text = message if isinstance(message, str) else json.dumps(message)
        starter.handler({"Records": [{"Sns": {"Message": text, "MessageId": message_id}}]}, None)
        [operation, request] = self.states.calls[-1]
        self.assertEqual((operation, request["stateMachineArn"]), ("start_execution", "arn:machine"))
        return request["name"], json.loads(request["input"])

    def test_the_output_is_the_input(self):
        name, data = self.start(ended("SUCCEEDED", input='{"a": 1}', output='{"b": "ü"}'))
        self.assertEqual(data, {"b": "ü"})
        self.assertRegex(name, r"^order-7-[0-9a-f]{32}$")

    def test_a_failure_comes_with_the_input(self):
        _, data = self.start(ended("FAILED", input='{"a": 1}', error="KeyError", cause="why"))
        self.assertEqual(data, {"a": 1, "error": {"Error": "KeyError", "Cause": "why"}})
        _, data = self.start(ended("TIMED_OUT", input="[1]"))
        self.assertEqual(data, {"input": [1], "error": {"Error": "States.Timeout", "Cause": ""}})

    def test_a_second_delivery_has_the_same_name(self):
        message = ended("FAILED", input="{}")
        first, _ = self.start(message)
        self.states.refusals["start_execution"] = "ExecutionAlreadyExists"
        second, _ = self.start(message, "m-2")
        self.assertEqual(first, second)
        redriven, _ = self.start(ended("FAILED", input="{}", stopDate=2))
        self.assertNotEqual(first, redriven)
        self.states.refusals["start_execution"] = "ThrottlingException"
        with self.assertRaises(Exception):
            self.start(message)

    def test_what_is_too_large_is_asked_for(self):
        self.states.executions[ARN] = {"status": "SUCCEEDED", "output": '{"big": 1}'}
        _, data = self.start(ended("SUCCEEDED", outputDetails={"included": False}))
        self.assertEqual(data, {"big": 1})

    def test_other_topics_send_anything(self):
        name, data = self.start({"order": 7})
        self.assertEqual(data, {"order": 7})
        self.assertEqual(name, self.start({"order": 7})[0])
        self.assertNotEqual(name, self.start({"order": 7}, "m-2")[0])
        self.assertEqual(self.start("hello")[1], {"message": "hello"})

    def test_names_are_those_that_may_be(self):
        name = starter.name_of("a:b " + "x" * 90, "identity")
        self.assertEqual(len(name), 80)
        self.assertTrue(name.startswith("a_b_xxx"))


class Endpoint(http.server.BaseHTTPRequestHandler):
    received = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Endpoint.received.append((self.path, self.headers["api-key"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class Processor(unittest.TestCase):
    def setUp(self):
        Endpoint.received = []
        server = http.server.HTTPServer(("127.0.0.1", 0), Endpoint)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.states = States()
        start = datetime.datetime.fromtimestamp(100, datetime.timezone.utc)
        self.states.executions[ARN] = {"startDate": start, "input": '{"order": {"id": 7}}'}
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}/",
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b,x=y",
        }
        for patch in (
            mock.patch.object(processor, "client", return_value=self.states),
            mock.patch.dict(os.environ, environment),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def process(self, *messages):
        events = [{"message": json.dumps(message)} for message in messages]
        data = gzip.compress(json.dumps({"logEvents": events}).encode("utf-8"))
        processor.handler({"awslogs": {"data": base64.b64encode(data).decode("ascii")}}, None)
        return Endpoint.received

    @staticmethod
    def event(kind, arn=ARN, **details):
        return {"id": "1", "type": kind, "details": details, "event_timestamp": "103500", "execution_arn": arn}

    @staticmethod
    def tags(record):
        return {entry["key"]: next(iter(entry["value"].values())) for entry in record["attributes"]}

    def test_a_start_is_a_log_record(self):
        [(path, key, body)] = self.process(self.event("ExecutionStarted", input='{"a": {"b": true}, "c": [1]}'))
        self.assertEqual((path, key), ("/v1/logs", "a b"))
        [record] = body["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
        tags = self.tags(record)
        self.assertEqual((tags["a.b"], tags["c.0"]), (True, "1"))
        self.assertEqual((tags["execution_name"], tags["state_machine_name"]), ("order-7", "dev-shop-main"))
        self.assertEqual((tags["trace_id"], tags["trace_source"]), ("order-7", "dev-shop-main"))
        self.assertEqual(record["timeUnixNano"], "103500000000")

    def test_an_end_is_a_span_as_well(self):
        received = self.process(self.event("ExecutionFailed", error="KeyError", cause="why"))
        self.assertEqual([path for path, _, _ in received], ["/v1/logs", "/v1/traces"])
        [span] = received[1][2]["resourceSpans"][0]["scopeSpans"][0]["spans"]
        self.assertEqual(span["status"], {"code": 2, "message": "KeyError"})
        self.assertEqual(self.tags(span)["duration_ms"], "3500")
        self.assertEqual((len(span["traceId"]), len(span["spanId"])), (32, 16))
        self.assertNotIn("parentSpanId", span)

    def test_nested_executions_have_the_trace_of_the_outermost(self):
        inner = "arn:aws:states:eu-west-1:1:execution:dev-shop-books:x"
        start = datetime.datetime.fromtimestamp(101, datetime.timezone.utc)
        self.states.executions[inner] = {"startDate": start, "input": json.dumps({processor.STARTED_BY: ARN})}
        received = self.process(self.event("ExecutionSucceeded", arn=inner, output="{}"))
        [span] = received[1][2]["resourceSpans"][0]["scopeSpans"][0]["spans"]
        self.assertEqual(span["parentSpanId"], telemetry.span_id(ARN))
        self.assertEqual(span["traceId"], telemetry.trace_id("order-7"))

    def test_one_entry_does_not_hold_up_the_others(self):
        with mock.patch("traceback.print_exc") as printed:
            received = self.process({"type": "nonsense"}, self.event("ExecutionStarted", input="{}"))
        printed.assert_called_once()
        self.assertEqual(len(received), 1)

    def test_the_project_adds_tags(self):
        text = (
            "class Own(EventProcessor):\n"
            "    async def get_custom_tags_ExecutionStarted(\n"
            "        message: Dict[str, Any], input_data, state_data_client: StateDataClient\n"
            "    ):\n"
            "        return {'id': input_data['id'], 'kept': state_data_client.execution}\n"
        )
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "fluxio_events.py"), "w", encoding="utf-8") as file:
                file.write(text)
            with mock.patch.object(task, "folder", return_value=folder):
                with mock.patch.dict(os.environ, {"STEPWRIGHT_EVENT_PROCESSOR": "Own"}):
                    own = processor.load()
            sys.path.remove(folder)
        with mock.patch.object(processor, "PROCESSOR", own):
            [(_, _, body)] = self.process(self.event("ExecutionStarted", input='{"id": 9}'))
            [record] = body["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
            self.assertEqual((self.tags(record)["id"], self.tags(record)["kept"]), ("9", "dev-shop-main:order-7"))
            Endpoint.received.clear()
            with mock.patch("traceback.print_exc"):
                [(_, _, body)] = self.process(self.event("ExecutionStarted", input="{}"))
            self.assertNotIn("kept", json.dumps(body))

    def test_without_an_endpoint_records_are_printed(self):
        with mock.patch.dict(os.environ, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}), mock.patch("builtins.print") as printed:
            self.assertEqual(self.process(self.event("ExecutionStarted", input="{}")), [])
        self.assertEqual(json.loads(printed.call_args.args[0])["body"], {"stringValue": "ExecutionStarted"})

    def test_the_client_reads_state_data(self):
        dynamo = Dynamo()
        client = processor.DynamoStateDataClient("table", "one", 1, dynamo)
        client.put_item("a", 1)
        self.assertEqual(client.get_item("a"), 1)


if __name__ == "__main__":
    unittest.main()
