"""The entry point of tasks on Lambda: `handler`."""

import json
import os

from . import task
from .context import ExecutionStopped

NAME = os.environ["STEPWRIGHT_TASK"]
RUN = task.load(NAME)
LOOP = task.new_loop()


def handler(event, _):
    """Calls `run` with the data in a task state's parameters."""
    data, meta = unpack(event)
    try:
        return task.call(LOOP, RUN, NAME, data, meta)
    except ExecutionStopped as stopped:
        # Whoever called the function ends the execution.
        raise ExecutionStoppedByTask(stopped) from None


def unpack(event):
    """The data and the metadata, of a function's event or of the PEXPM runner's."""
    if "environment" in event and "meta" not in event:
        environment = event["environment"]
        meta = {key.lower(): value for key, value in environment.items()}
        return environment.get("SFN_INPUT_VALUE"), meta
    return event["data"], event["meta"]


class ExecutionStoppedByTask(Exception):
    """Carries error and cause through the answer of a function."""

    def __init__(self, stopped):
        super().__init__(json.dumps({"error": stopped.error, "cause": stopped.cause}))
