"""Processes the events of executions, read from the log of a state machine: `handler`."""

import base64
import gzip
import inspect
import json
import os
import traceback
import typing

from ..events import EventProcessor, default_tags
from ..state_data import StateDataClient, execution_id
from . import task, telemetry
from .clients import client
from .state_data import DynamoStateDataClient

#: How many executions there may be between one and the outermost that it was started from.
MOST_PARENTS = 32

#: The key in the input of a nested execution that names the one that started it.
STARTED_BY = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"

#: The events after which an execution has ended.
ENDS = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"}


def load():
    """The project's own processor, if it has one."""
    name = os.environ.get("STEPWRIGHT_EVENT_PROCESSOR")
    if not name:
        return EventProcessor
    # The class stands alone in its file, and names its base as in the project. What the documentation
    # writes in annotations is at hand.
    names = {"EventProcessor": EventProcessor, "StateDataClient": StateDataClient, "typing": typing}
    names |= {key: getattr(typing, key) for key in ("Any", "Dict", "List", "Optional", "Union")}
    return task.load("fluxio_events.py", names)[name]


PROCESSOR = load()
LOOP = task.new_loop()


def handler(event, _):
    """Sends telemetry for each event that CloudWatch passes on."""
    packed = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    logs, spans = [], []
    for entry in packed["logEvents"]:
        try:
            message = json.loads(entry["message"])
            log, span = process(message)
        except Exception:
            # One entry that cannot be understood does not hold up the others.
            traceback.print_exc()
            continue
        logs.append(log)
        if span is not None:
            spans.append(span)
    telemetry.send(logs, spans)


def process(message):
    """The log record of an event, and the span if the execution has ended."""
    kind, arn = message["type"], message["execution_arn"]
    details = message["details"] = message.get("details") or {}
    described = None
    if kind in ENDS or "input" not in details or (details.get("inputDetails") or {}).get("truncated"):
        described = client("stepfunctions").describe_execution(executionArn=arn)
    text = described.get("input") if described else details["input"]
    data = json.loads(text or "{}")
    trace, source, parent = trace_of(arn, data)
    tags = tags_of(message, data, trace, source) | custom_tags(message, data)
    trace_identity, identity = telemetry.trace_id(trace), telemetry.span_id(arn)
    at = int(message["event_timestamp"])
    log = telemetry.log_record(kind, at, tags, trace_identity, identity)
    if kind not in ENDS:
        return log, None
    start = int(described["startDate"].timestamp() * 1000)
    error = None if kind == "ExecutionSucceeded" else details.get("error") or kind
    parent_span = parent and telemetry.span_id(parent)
    tags = tags | {"duration_ms": at - start}
    name = arn.split(":")[6]
    return log, telemetry.span(name, start, at, tags, trace_identity, identity, parent_span, error)


def tags_of(message, data, trace, source):
    """The tags that every event has."""
    parts = message["execution_arn"].split(":")
    meta = {
        "execution_name": parts[7],
        "state_machine_name": parts[6],
        "trace_id": trace,
        "trace_source": source,
    }
    return default_tags(message, data, meta)


def trace_of(arn, data):
    """The trace of an execution, where it comes from, and the execution that started it, if any.

    A nested execution has the trace of the outermost one. A trace in the input comes first.
    """
    parent = data.get(STARTED_BY) if isinstance(data, dict) else None
    at = arn
    for _ in range(MOST_PARENTS):
        given = data.get("__trace") if isinstance(data, dict) else None
        if isinstance(given, dict) and given.get("id"):
            return str(given["id"]), str(given.get("source") or ""), parent
        above = data.get(STARTED_BY) if isinstance(data, dict) else None
        if not above:
            break
        at = above
        try:
            described = client("stepfunctions").describe_execution(executionArn=above)
        except Exception:
            # Started by an execution of another project, or long ago.
            traceback.print_exc()
            break
        data = json.loads(described.get("input") or "{}")
    parts = at.split(":")
    return parts[7], parts[6], parent


def custom_tags(message, data):
    """The tags of the project's own processor. When it fails, the others are sent all the same."""
    method = getattr(PROCESSOR, "get_custom_tags_" + message["type"], None)
    if method is None:
        return {}
    parts = message["execution_arn"].split(":")
    table = os.environ.get("STEPWRIGHT_STATE_DATA_TABLE", "")
    state_data = DynamoStateDataClient(table, execution_id(parts[6], parts[7]))
    try:
        tags = method(message=message, input_data=data, state_data_client=state_data)
        if inspect.isawaitable(tags):
            tags = LOOP.run_until_complete(tags)
        return dict(tags or {})
    except Exception:
        traceback.print_exc()
        return {}
