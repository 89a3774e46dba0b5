"""The entry point of tasks that the PEXPM runner runs: `main`.

The input and the metadata are in the environment. What `run` returns is printed as the last thing.
"""

import json
import os
import sys

from . import task
from .clients import client


def main():
    """Runs the task and prints what it returns, as JSON."""
    # What the task prints must not be taken for its result.
    output, sys.stdout = sys.stdout, sys.stderr
    value = os.environ.get("SFN_INPUT_VALUE")
    run = task.load()["run"]
    settings = task.load("fluxio_settings.py")
    meta = task.meta_of(os.environ)
    os.environ.update(environment_of(meta["sfn_state_machine_name"], settings))
    loop = task.new_loop()
    result = task.call(loop, run, settings["TASK"], read(value), meta)
    loop.close()
    json.dump(result, output, allow_nan=False)
    output.write("\n")


def environment_of(machine, settings):
    """What the deployment would say, had it made the runner: the names follow from the machine's."""
    for function in settings["MACHINES"]:
        ending = "-" + settings["PROJECT"] + "-" + function
        if machine and machine.endswith(ending):
            environment = machine[: -len(ending)]
            break
    else:
        return {}
    # The session knows the region and the partition; the account is asked for.
    identity = client("sts").get_caller_identity()
    partition = identity["Arn"].split(":")[1]
    region = client("stepfunctions").meta.region_name
    return {
        "STEPWRIGHT_EXECUTIONS": f"arn:{partition}:states:{region}:{identity['Account']}:execution",
        "STEPWRIGHT_STATE_DATA_TABLE": f"{environment}-{settings['PROJECT']}-state-data",
    }


def read(value):
    """The input: JSON where it is, otherwise the text that it is."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


if __name__ == "__main__":
    main()
