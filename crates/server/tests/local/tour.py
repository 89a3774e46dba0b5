"""What the tours of the local services have in common.

A tour makes calls with boto3, the good and the bad, and says of each what must come of it. It runs against the local
services, where all of it must hold, and against moto: what moto says differently is listed in the tour, with the reason.
"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

REGION = "us-east-1"


def client(service, endpoint, **more):
    config = Config(
        retries={"total_max_attempts": 1}, read_timeout=70, s3={"addressing_style": "path"}, parameter_validation=False
    )
    keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
    return boto3.client(service, endpoint_url=endpoint, region_name=REGION, config=config, **keys, **more)


class Anything:
    """Equals everything that is there."""

    def __eq__(self, other):
        return other is not None

    def __repr__(self):
        return "ANYTHING"


ANYTHING = Anything()


def error(code, part=None):
    """The outcome of a call that is refused: the code, and perhaps a part of the message."""
    return {"error": code, "says": part}


class Tour:
    def __init__(self, differs):
        self.endpoint, self.peer = sys.argv[1], sys.argv[2]
        self.differs = differs
        self.count = 0
        self.wrong = []
        self.unlike = set()

    def step(self, name, call, expected):
        """Makes a call, and compares what comes of it: every member that is expected must be there and be equal."""
        self.count += 1
        found = None
        try:
            found = call()
            outcome = matches(found, expected)
        except ClientError as refusal:
            found = refusal.response["Error"]
            is_refusal = isinstance(expected, dict) and "error" in expected
            outcome = is_refusal and expected["error"] == found["Code"]
            if outcome and expected["says"]:
                outcome = expected["says"] in found.get("Message", "")
        except ResponseParserError as unclear:
            # moto answers some requests with a page.
            found, outcome = str(unclear), False
        if not outcome:
            self.unlike.add(name)
            self.wrong.append(f"{name}: {json.dumps(found, default=str)[:600]} instead of {expected}")
        return found if isinstance(found, dict) else {}

    def end(self):
        print(json.dumps({"steps": self.count, "differ": sorted(self.unlike)}))
        if self.peer == "moto":
            listed = set(self.differs)
            if self.unlike != listed:
                print("\n".join(self.wrong))
                print("not listed:", sorted(self.unlike - listed), "listed, but the same:", sorted(listed - self.unlike))
                sys.exit(1)
        elif self.wrong:
            print("\n".join(self.wrong))
            sys.exit(1)


def matches(found, expected):
    if isinstance(expected, Anything):
        return found is not None
    if callable(expected):
        return bool(expected(found))
    if isinstance(expected, dict) and "error" in expected and "says" in expected:
        return False
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(
            (value is None and key not in found) or (key in found and matches(found[key], value))
            for key, value in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(matches(one, other) for one, other in zip(found, expected))
        )
    return found == expected
