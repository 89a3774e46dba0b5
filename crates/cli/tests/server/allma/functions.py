"""The functions of the ALLMA orchestrator, as a scenario says: a runtime that speaks the Runtime API.

A scenario has a list of rules for each function. The first rule whose conditions hold for the event, and
whose number is that of the call, says what the function returns or throws. Each scenario has a folder that
is named as its flow: a branch of an earlier scenario may still call when the next one runs."""

import fcntl
import json
import os
import re
import sys
import urllib.request

FOLDER, FUNCTION = sys.argv[1:3]
API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"


def at(path, event):
    """The value at a path such as `$.a.b`, in a list; none if there is none."""
    found = event
    for part in path.removeprefix("$").strip(".").split("."):
        if part:
            if not isinstance(found, dict) or part not in found:
                return []
            found = found[part]
    return [found]


def holds(condition, event):
    found = at(condition.get("path", "$"), event)
    if "equals" in condition:
        return found == [condition["equals"]]
    return bool(found) == condition.get("present", True)


def filled(template, event):
    if isinstance(template, dict):
        if list(template) == ["$event"]:
            return (at(template["$event"], event) or [None])[0]
        return {key: filled(value, event) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(item, event) for item in template]
    return template


def flow_of(event):
    """The name of the event's flow; the one that was started last, if the event has no name of a flow."""
    named = re.search(r'lowExecutionId": "([^"]+)"', json.dumps(event))
    if named:
        return named[1]
    with open(f"{FOLDER}/last") as file:
        return file.read()


def number(folder):
    """The number of this call, from 1, over all processes of the function."""
    with open(f"{folder}/{FUNCTION}.calls", "a+") as calls:
        fcntl.flock(calls, fcntl.LOCK_EX)
        calls.seek(0)
        count = int(calls.read() or 0) + 1
        calls.truncate(0)
        calls.write(str(count))
        return count


def answer(event):
    """What the function answers: the path that it is posted to, and the body."""
    folder = f"{FOLDER}/{flow_of(event)}"
    with open(f"{folder}/scenario.json") as file:
        rules = json.load(file)["stubs"].get(FUNCTION, [])
    count = number(folder)
    token = at("$.taskToken", event)
    if token:
        with open(f"{folder}/token.new", "w") as file:
            file.write(token[0])
        os.rename(f"{folder}/token.new", f"{folder}/token")
    for rule in rules:
        if rule.get("nth", count) == count and all(holds(one, event) for one in rule.get("when", [])):
            if "throw" in rule:
                return "error", rule["throw"]
            return "response", filled(rule.get("return"), event)
    return "error", {"errorType": "NoRule", "errorMessage": f"no rule of {FUNCTION} fits {event}"}


while True:
    with urllib.request.urlopen(f"{API}/next") as request:
        invocation = request.headers["Lambda-Runtime-Aws-Request-Id"]
        where, body = answer(json.load(request))
    posted = urllib.request.Request(
        f"{API}/{invocation}/{where}", json.dumps(body, separators=(",", ":")).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(posted).close()
