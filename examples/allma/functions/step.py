"""Does one step of a flow and says what comes next: the heart of the orchestrator.

The flow collects texts, translates them side by side, waits until they are published, and ends.
"""

WORDS = {"de": {"hello": "hallo"}, "fr": {"hello": "bonjour"}}


def handler(event, context):
    state = event["runtimeState"]
    data = state["currentContextData"]
    if "taskToken" in event:
        # Somebody reports with this token when the event has happened.
        print("waiting for", event["taskToken"])
        return None
    if "branchId" in state:
        return translate(state, data)
    step = state["currentStepInstanceId"]
    if step == "collect":
        data["texts"] = [data.get("text", "hello")]
        return fork(go_on(state, "translate"), data)
    if step == "translate":
        data["translations"] = event["parallelAggregateInput"]["branchOutputs"]
        return poll(go_on(state, "publish"))
    if step == "publish":
        data["published"] = event["pollingResult"]["Output"]["pollResult"]["attempts"]
        return {"runtimeState": done(state), "sfnAction": "PROCESS_STEP"}
    raise ValueError(f"there is no step {step!r}")


def go_on(state, step):
    return {**state, "currentStepInstanceId": step}


def done(state):
    state = {**state, "status": "COMPLETED"}
    del state["currentStepInstanceId"]
    return state


def fork(state, data):
    branches = [
        {
            "branchId": language,
            "enableExecutionLogs": False,
            "branchDefinition": {"stepInstanceId": "translate-one"},
            "branchInput": {"language": language, "texts": data["texts"]},
        }
        for language in sorted(WORDS)
    ]
    return {
        "runtimeState": state,
        "sfnAction": "PARALLEL_FORK",
        "parallelForkInput": {
            "aggregationConfig": {"maxConcurrency": 2},
            "originalStepInstanceId": "translate",
            "branchesToExecute": branches,
        },
    }


def translate(state, data):
    words = WORDS[data["language"]]
    texts = [words.get(text, text) for text in data["texts"]]
    state = done(state)
    state["currentContextData"] = {**data, "output": {"texts": texts}}
    return {"runtimeState": state}


def poll(state):
    return {
        "runtimeState": state,
        "sfnAction": "POLL_EXTERNAL_API",
        "pollingTaskInput": {"pollingConfig": {"intervalSeconds": 1}},
    }
