"""The entry point of tasks on Lambda: `handler`."""

import os

from . import task
from .context import ExecutionStopped

NAME = os.environ["STEPWRIGHT_TASK"]
RUN = task.load(NAME)
LOOP = task.new_loop()

#: The only key of the answer of a task that stopped the execution.
STOP = "stepwright:stop-execution"


def handler(event, _):
    """Calls `run` with the data in a task state's parameters."""
    data, meta = unpack(event)
    try:
        return task.call(LOOP, RUN, NAME, data, meta)
    except ExecutionStopped as stopped:
        # Whoever called the function ends the execution.
        return {STOP: {"error": stopped.error, "cause": stopped.cause}}


def unpack(event):
    """The data and the metadata, of a function's event or of the PEXPM runner's."""
    if "environment" in event and "meta" not in event:
        environment = event["environment"]
        meta = {key.lower(): value for key, value in environment.items()}
        return environment.get("SFN_INPUT_VALUE"), meta
    return event["data"], event["meta"]
