"""The tags of what executions do: the entry point of event processors, `handler`.

An event processor is a class of the project with methods `get_custom_tags_ExecutionStarted`,
`…Succeeded` and `…Failed`. Each of them adds to the tags that every event has.
"""

import __future__

import inspect
import os
import typing

from . import task
from .state_data import StateDataClient, execution_id


class EventProcessor:
    """The base class of event processors: it adds no tags."""


def handler(event, _):
    """The tags for an event: `{"tags": {…}}`, with `error` where the processor failed."""
    message, input_data = event["message"], event["input_data"]
    tags = default_tags(message, input_data, event["meta"])
    method = getattr(PROCESSOR, "get_custom_tags_" + message["type"], None)
    if method is None:
        return {"tags": tags}
    client = None
    try:
        client = StateDataClient(
            os.environ["STEPWRIGHT_STATE_DATA"],
            os.environ["STEPWRIGHT_STATE_DATA_TABLE"],
            execution_id(event["meta"]["state_machine_name"], event["meta"]["execution_name"]),
        )
        custom = method(message=message, input_data=input_data, state_data_client=client)
        if inspect.isawaitable(custom):
            custom = LOOP.run_until_complete(custom)
        tags.update(custom or {})
    except Exception as problem:
        return {"tags": tags, "error": f"{type(problem).__name__}: {problem}"}
    finally:
        if client is not None:
            client.close()
    return {"tags": tags}


def default_tags(message, input_data, meta):
    """The tags that every event has."""
    tags = {key: value for key, value in meta.items() if value is not None}
    for key in ("error", "cause"):
        if message["details"].get(key) is not None:
            tags[key] = message["details"][key]
    if isinstance(input_data, dict):
        tags.update(flatten(input_data))
    return tags


def flatten(value, prefix=""):
    """`{"foo": {"bar": 1}}` as `{"foo.bar": 1}`; the items of lists are numbered."""
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    else:
        return {prefix: value}
    flat = {}
    for key, member in members:
        flat.update(flatten(member, f"{prefix}.{key}" if prefix else str(key)))
    return flat


def load(name):
    """The class of a processor: its text as it stands in the project, alone in a module."""
    task.prepare_path()
    path = os.path.join(os.environ["STEPWRIGHT_PROCESSORS"], name + ".py")
    with open(path, encoding="utf-8") as file:
        source = file.read()
    # What the documentation writes in annotations is at hand, and nothing of them is looked up.
    module = {"EventProcessor": EventProcessor, "StateDataClient": StateDataClient, "typing": typing}
    module.update((key, getattr(typing, key)) for key in ("Any", "Dict", "List", "Optional", "Union"))
    module["__name__"] = "fluxio_processor_" + name
    flags = __future__.annotations.compiler_flag
    exec(compile(source, os.environ["STEPWRIGHT_PROJECT"], "exec", flags=flags), module)
    return module[name]


PROCESSOR = load(os.environ["STEPWRIGHT_PROCESSOR"]) if os.environ.get("STEPWRIGHT_PROCESSOR") else None
LOOP = task.new_loop()
