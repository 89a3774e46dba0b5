"""The clients of AWS's services, each made once."""

import functools


@functools.lru_cache(maxsize=None)
def client(service):
    """The client of a service: `dynamodb`, `stepfunctions`, `sqs`."""
    import boto3
    from botocore.config import Config

    # A worker may have a hundred messages at a time.
    retries = {"mode": "standard", "max_attempts": 8}
    return boto3.client(service, config=Config(retries=retries, max_pool_connections=128))


def error_code(problem):
    """The code in the answer of a service that refused a call; None for anything else."""
    response = getattr(problem, "response", None) or {}
    return response.get("Error", {}).get("Code")
