"""Starts a state machine when a topic tells that an execution of another has ended: `handler`."""

import hashlib
import json
import os

from .clients import client, error_code

#: How long the name of an execution may be, and how much of it makes it unmistakable.
MOST_NAME = 80
DIGITS = 32

#: What an execution's name cannot have.
FORBIDDEN = set(' \t\n\r<>{}[]?*"#%\\^|~`$&,;:/')


def handler(event, _):
    """Starts an execution for each message. A message that comes again starts nothing."""
    for record in event["Records"]:
        message = record["Sns"]
        name, data = execution(message["Message"], message["MessageId"])
        start(name, data)


def start(name, data):
    """Starts an execution, unless there is one with this name."""
    request = {
        "stateMachineArn": os.environ["STEPWRIGHT_STATE_MACHINE"],
        "name": name,
        "input": json.dumps(data, ensure_ascii=False),
    }
    try:
        client("stepfunctions").start_execution(**request)
    except Exception as problem:
        if error_code(problem) != "ExecutionAlreadyExists":
            raise


def execution(text, message_id):
    """The name and the input of the execution that a message starts."""
    try:
        message = json.loads(text)
    except ValueError:
        message = text
    if is_status_change(message):
        detail = message["detail"]
        # An execution that is redriven ends twice, at different times.
        identity = "\n".join([detail["executionArn"], detail["status"], str(detail.get("stopDate"))])
        return name_of(detail["name"], identity), data_of(detail)
    data = message if isinstance(message, dict) else {"message": message}
    return name_of(message_id, message_id), data


def is_status_change(message):
    """Whether a message is what EventBridge tells of an execution."""
    return (
        isinstance(message, dict)
        and message.get("source") == "aws.states"
        and message.get("detail-type") == "Step Functions Execution Status Change"
    )


def name_of(name, identity):
    """A name that is the same for the same identity, and can be recognised."""
    digest = hashlib.sha256(identity.encode("utf-8")).hexdigest()[:DIGITS]
    plain = "".join("_" if character in FORBIDDEN or ord(character) < 32 else character for character in name)
    return f"{plain[: MOST_NAME - DIGITS - 1]}-{digest}"


def data_of(detail):
    """The input: the output of an execution that succeeded, otherwise its input with its error."""
    succeeded = detail["status"] == "SUCCEEDED"
    part = "output" if succeeded else "input"
    text = detail.get(part)
    if text is None or not (detail.get(part + "Details") or {}).get("included", True):
        # It was too large for the message.
        detail = detail | client("stepfunctions").describe_execution(executionArn=detail["executionArn"])
        text = detail.get(part)
    data = json.loads(text) if text is not None else {}
    if succeeded:
        return data
    if not isinstance(data, dict):
        data = {"input": data}
    return data | {"error": error_of(detail)}


def error_of(detail):
    """What a `Catch` would give. An execution that ran too long has no error of its own."""
    status = detail["status"]
    usual = {"TIMED_OUT": "States.Timeout"}.get(status, "")
    return {"Error": detail.get("error") or usual, "Cause": detail.get("cause") or ""}
