"""Loading and running the `run` method of a task."""

import __future__

import asyncio
import inspect
import os
import sys

from .context import TaskContext


def load(name):
    """The `run` function of a task: its text as it stands in the project, alone in a module.

    The text stands on the lines it has in the project, so tracebacks point there. Annotations are not
    evaluated: what they name need not be imported.
    """
    prepare_path()
    path = os.path.join(os.environ["STEPWRIGHT_TASKS"], name + ".py")
    with open(path, encoding="utf-8") as file:
        source = file.read()
    module = {"__name__": "fluxio_task_" + name, "__file__": os.environ["STEPWRIGHT_PROJECT"]}
    flags = __future__.annotations.compiler_flag
    exec(compile(source, os.environ["STEPWRIGHT_PROJECT"], "exec", flags=flags, dont_inherit=True), module)
    return module["run"]


def prepare_path():
    """Packages beside the project can be imported."""
    folder = os.path.dirname(os.path.abspath(os.environ["STEPWRIGHT_PROJECT"]))
    if folder not in sys.path:
        sys.path.insert(0, folder)


def call(loop, run, name, event, meta):
    """What the task returns for an event. Raises `ExecutionStopped` if it stopped the execution."""
    context = TaskContext(name, meta)
    try:
        result = run(event, context)
        if inspect.isawaitable(result):
            result = loop.run_until_complete(result)
    finally:
        context.close()
    if context.stopped is not None:
        raise context.stopped
    return result


def new_loop():
    """An event loop that tasks find with `asyncio.get_event_loop()`."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop
