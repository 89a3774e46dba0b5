"""Asks an API whether it is ready. This one is ready when it is asked for the second time."""


def handler(event, context):
    attempts = event.get("pollResult", {}).get("attempts", 0) + 1
    return {
        "attempts": attempts,
        "isSuccessConditionMet": attempts >= 2,
        "isFailureConditionMet": False,
    }
