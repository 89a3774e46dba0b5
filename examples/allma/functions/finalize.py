"""Ends a flow: its result is what the flow has made."""


def handler(event, context):
    state = event["runtimeState"]
    return {"status": state["status"], "result": state["currentContextData"]}
