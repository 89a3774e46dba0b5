"""The entry point of tasks on Lambda: `handler`."""

import os

from . import task

RUN = task.load()["run"]
LOOP = task.new_loop()


def handler(event, _):
    """Calls `run` with the data in a task state's parameters.

    What `run` raises is the error that the state machine sees, by the name of its class.
    """
    return task.call(LOOP, RUN, os.environ["STEPWRIGHT_TASK"], event["data"], event["meta"])
