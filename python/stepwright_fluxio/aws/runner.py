"""The entry point of tasks that the PEXPM runner runs: `main`.

The input and the metadata are in the environment. What `run` returns is printed as the last thing.
"""

import json
import os
import sys

from . import task


def main():
    """Runs the task and prints what it returns, as JSON."""
    # What the task prints must not be taken for its result.
    output, sys.stdout = sys.stdout, sys.stderr
    value = os.environ.get("SFN_INPUT_VALUE")
    run = task.load()["run"]
    name = os.environ.get("STEPWRIGHT_TASK") or sys.argv[0]
    result = task.call(task.new_loop(), run, name, read(value), task.meta_of(os.environ))
    json.dump(result, output, allow_nan=False)
    output.write("\n")


def read(value):
    """The input: JSON where it is, otherwise the text that it is."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


if __name__ == "__main__":
    main()
