"""The entry point of tasks on ECS: `python -m stepwright_fluxio.aws.ecs`.

The input and the metadata are in the environment, where the state machine puts them. What `run` returns
is of no use to anyone. Exit code 1: it failed.
"""

import json
import os
import sys
import traceback

from . import task


def main():
    """Runs the task. Gives back the exit code."""
    loop = task.new_loop()
    try:
        data = json.loads(os.environ.get("SFN_INPUT_VALUE", "null"))
        run = task.load()["run"]
        task.call(loop, run, os.environ["STEPWRIGHT_TASK"], data, task.meta_of(os.environ))
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        loop.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
