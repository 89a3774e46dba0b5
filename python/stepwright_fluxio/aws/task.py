"""Loading and running the `run` method of a task."""

import __future__

import asyncio
import inspect
import os
import sys

from .context import AwsTaskContext

#: The file with the method, in the folder that the task is deployed from.
FILE = "fluxio_task.py"


def folder():
    """The folder of the task: the one with this package."""
    here = os.path.dirname(os.path.abspath(__file__))
    return os.path.dirname(os.path.dirname(here))


def load(file=FILE, names=None):
    """The module in a file of the task's folder, as its names. It knows `names` from the start.

    Its text stands on the lines that it has in the project. Annotations are not evaluated: what they
    name need not be imported.
    """
    if folder() not in sys.path:
        sys.path.insert(0, folder())
    path = os.path.join(folder(), file)
    with open(path, encoding="utf-8") as opened:
        source = opened.read()
    flags = __future__.annotations.compiler_flag
    module = {"__name__": file[: -len(".py")], "__file__": path} | (names or {})
    exec(compile(source, path, "exec", flags=flags, dont_inherit=True), module)
    return module


def call(loop, run, name, event, meta):
    """What the task returns for an event; None once it has stopped the execution."""
    context = AwsTaskContext(name, meta)
    result = run(event, context)
    if inspect.isawaitable(result):
        result = loop.run_until_complete(result)
    return None if context.end_execution() else result


def new_loop():
    """An event loop that tasks find with `asyncio.get_event_loop()`."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def meta_of(environment):
    """The metadata among the variables of an environment."""
    names = ["SFN_EXECUTION_NAME", "SFN_STATE_NAME", "SFN_STATE_MACHINE_NAME", "TRACE_ID", "TRACE_SOURCE"]
    return {name.lower(): environment.get(name) for name in names}
