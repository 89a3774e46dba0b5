"""Fails the tasks whose messages no worker could finish: `handler`."""

import json
import os

from .clients import client, error_code

#: The error, as it is when the project is run elsewhere.
ERROR = "States.TaskFailed"

#: Step Functions no longer waits for the task.
OVER = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}


def handler(event, _):
    """Fails a task for each message. Gives back the messages that are to come again."""
    records = event["Records"]
    for index, record in enumerate(records):
        try:
            fail(record)
        except Exception as problem:
            print("the task of message", record["messageId"], "cannot be failed:", problem)
            # The order within a group holds: those after it come again, too.
            left = [{"itemIdentifier": left["messageId"]} for left in records[index:]]
            return {"batchItemFailures": left}
    return {"batchItemFailures": []}


def fail(record):
    """Fails the task of a message."""
    try:
        token = json.loads(record["body"])["TaskToken"]
    except (ValueError, KeyError, TypeError):
        # Nobody can be told of it.
        print("this is no message of a task:", record["body"])
        return
    receives = os.environ.get("STEPWRIGHT_MOST_RECEIVES", "3")
    queue = record["eventSourceARN"].rsplit(":", 1)[-1]
    cause = f"no worker finished the message, which was received {receives} times (it was moved to {queue})"
    try:
        client("stepfunctions").send_task_failure(taskToken=token, error=ERROR, cause=cause)
    except Exception as problem:
        if error_code(problem) not in OVER:
            raise
