"""The entry point of tasks on ECS: `python -m stepwright_fluxio.ecs`.

The input and the metadata are in the environment, as ECS has them. What `run` returns is of no use to
anyone. Exit code 1: it failed, and STEPWRIGHT_ANSWER says why. Exit code 3: it stopped the execution.
"""

import json
import os
import sys
import threading
import traceback

from . import task
from .context import ExecutionStopped

META = ["SFN_EXECUTION_NAME", "SFN_STATE_NAME", "SFN_STATE_MACHINE_NAME", "TRACE_ID", "TRACE_SOURCE"]


def end_with_parent():
    """Ends the process when whoever started it is gone: then nobody holds the other end of its input."""
    # Not through `sys.stdin`, which the end of the interpreter would wait for.
    while os.read(0, 4096):
        pass
    os._exit(1)


def main():
    threading.Thread(target=end_with_parent, daemon=True).start()
    name = os.environ["STEPWRIGHT_TASK"]
    meta = {key.lower(): os.environ.get(key) for key in META}
    try:
        data = json.loads(os.environ.get("SFN_INPUT_VALUE", "null"))
        task.call(task.new_loop(), task.load(name), name, data, meta)
    except ExecutionStopped as stopped:
        answer({"error": stopped.error, "cause": stopped.cause})
        return 3
    except Exception as problem:
        traceback.print_exc()
        answer({"error": type(problem).__name__, "cause": str(problem)})
        return 1
    return 0


def answer(value):
    with open(os.environ["STEPWRIGHT_ANSWER"], "w", encoding="utf-8") as file:
        json.dump(value, file)


if __name__ == "__main__":
    sys.exit(main())
