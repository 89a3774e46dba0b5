"""Begins a flow: loads its definition and says which step comes first."""

FLOWS = {"newsletter": "collect"}


def handler(event, context):
    flow = event["flowDefinitionId"]
    if flow not in FLOWS:
        raise KeyError(f"there is no flow {flow!r}")
    return {
        "runtimeState": {
            "flowDefinitionId": flow,
            "flowDefinitionVersion": event.get("flowVersion", "1"),
            "flowExecutionId": event["flowExecutionId"],
            "status": "RUNNING",
            "currentStepInstanceId": FLOWS[flow],
            "currentContextData": dict(event.get("initialContextData", {})),
        },
        "sfnAction": "PROCESS_STEP",
    }
