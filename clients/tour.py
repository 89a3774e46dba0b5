"""A tour of the Step Functions API with boto3: `python tour.py ENDPOINT`.

The server has a function `echo`. One line for each operation; the first wrong answer ends it.
"""

import json
import sys
import time

import boto3
from botocore.config import Config

ROLE = "arn:aws:iam::123456789012:role/tour"
ENDPOINT = sys.argv[1]
SETTINGS = {
    "endpoint_url": ENDPOINT,
    "region_name": "us-east-1",
    "aws_access_key_id": "tour",
    "aws_secret_access_key": "tour",
    "config": Config(inject_host_prefix=False, retries={"total_max_attempts": 1}),
}
sfn = boto3.client("stepfunctions", **SETTINGS)
toured = set()


def note(operation, text):
    toured.add(operation)
    print(f"{operation}: {text}", flush=True)


def equal(found, wanted):
    assert found == wanted, f"{found!r} instead of {wanted!r}"


def refused(error, call, **arguments):
    """The call raises this modelled exception."""
    try:
        answer = call(**arguments)
    except getattr(sfn.exceptions, error) as exception:
        equal(exception.response["ResponseMetadata"]["HTTPStatusCode"], 400)
        assert exception.response["Error"]["Message"], f"{error} says nothing"
        return
    raise AssertionError(f"{error} was expected, not {answer}")


def definition(**states):
    return json.dumps({"StartAt": next(iter(states)), "States": states})


def create(name, text, kind="STANDARD", **more):
    return sfn.create_state_machine(name=name, definition=text, roleArn=ROLE, type=kind, **more)


def end(execution):
    """The description of an execution after its end."""
    for _ in range(400):
        described = sfn.describe_execution(executionArn=execution)
        if described["status"] != "RUNNING":
            return described
        time.sleep(0.05)
    raise AssertionError(f"{execution} does not end")


def pages(operation, key, **arguments):
    """The items of each page, by the client's own paginator where it has one."""
    found = []
    while True:
        answer = getattr(sfn, operation)(**arguments)
        found.append(answer[key])
        if not answer.get("nextToken"):
            return found
        arguments["nextToken"] = answer["nextToken"]


PASS = definition(P={"Type": "Pass", "End": True})
WAIT = definition(W={"Type": "Wait", "Seconds": 3600, "End": True})


def machines():
    made = create("simple", PASS)
    arn = made["stateMachineArn"]
    equal(arn, "arn:aws:states:us-east-1:123456789012:stateMachine:simple")
    assert abs(made["creationDate"].timestamp() - time.time()) < 60, made
    equal(create("simple", PASS)["creationDate"], made["creationDate"])
    refused("StateMachineAlreadyExists", create, name="simple", text=WAIT)
    refused("InvalidName", create, name="a b", text=PASS)
    refused("InvalidDefinition", create, name="bad", text="{}")
    note("CreateStateMachine", "made, made again, and refused")

    described = sfn.describe_state_machine(stateMachineArn=arn)
    for key, wanted in {
        "name": "simple", "status": "ACTIVE", "type": "STANDARD", "definition": PASS, "roleArn": ROLE,
        "tracingConfiguration": {"enabled": False},
        "loggingConfiguration": {"level": "OFF", "includeExecutionData": False},
        "encryptionConfiguration": {"type": "AWS_OWNED_KEY"},
    }.items():
        equal(described[key], wanted)
    missing = arn.replace("simple", "missing")
    refused("StateMachineDoesNotExist", sfn.describe_state_machine, stateMachineArn=missing)
    refused("InvalidArn", sfn.describe_state_machine, stateMachineArn="nonsense")
    note("DescribeStateMachine", "as it was made; a missing one is refused")

    for number in range(4):
        create(f"more-{number}", PASS, "EXPRESS")
    listed = pages("list_state_machines", "stateMachines", maxResults=2)
    equal([len(page) for page in listed], [2, 2, 1])
    names = [machine["name"] for page in listed for machine in page]
    equal(sorted(names), ["more-0", "more-1", "more-2", "more-3", "simple"])
    paginator = sfn.get_paginator("list_state_machines")
    equal(sum(len(page["stateMachines"]) for page in paginator.paginate()), 5)
    refused("InvalidToken", sfn.list_state_machines, nextToken="nonsense")
    note("ListStateMachines", "five in three pages")

    updated = sfn.update_state_machine(stateMachineArn=arn, definition=WAIT)
    assert updated["updateDate"] >= made["creationDate"], updated
    described = sfn.describe_state_machine(stateMachineArn=arn)
    equal((described["definition"], described["revisionId"]), (WAIT, updated["revisionId"]))
    refused("MissingRequiredParameter", sfn.update_state_machine, stateMachineArn=arn)
    refused("InvalidDefinition", sfn.update_state_machine, stateMachineArn=arn, definition="[]")
    sfn.update_state_machine(stateMachineArn=arn, definition=PASS)
    note("UpdateStateMachine", "another definition, another revision")

    verdict = sfn.validate_state_machine_definition(definition=PASS)
    equal((verdict["result"], verdict["diagnostics"]), ("OK", []))
    verdict = sfn.validate_state_machine_definition(
        definition=definition(P={"Type": "Pass", "Next": "Nowhere"}), maxResults=1)
    equal((verdict["result"], verdict["diagnostics"][0]["severity"]), ("FAIL", "ERROR"))
    assert verdict["diagnostics"][0]["location"], verdict
    note("ValidateStateMachineDefinition", "a good one and a bad one")
    return arn


def versions(arn):
    first = sfn.publish_state_machine_version(stateMachineArn=arn, description="first")["stateMachineVersionArn"]
    equal(first, f"{arn}:1")
    equal(sfn.publish_state_machine_version(stateMachineArn=arn)["stateMachineVersionArn"], first)
    text = definition(Q={"Type": "Pass", "Result": "two", "End": True})
    second = sfn.update_state_machine(stateMachineArn=arn, definition=text, publish=True)["stateMachineVersionArn"]
    equal(second, f"{arn}:2")
    refused("ConflictException", sfn.publish_state_machine_version, stateMachineArn=arn, revisionId="INITIAL")
    note("PublishStateMachineVersion", "two versions; a wrong revision is refused")

    listed = pages("list_state_machine_versions", "stateMachineVersions", stateMachineArn=arn, maxResults=1)
    equal([page[0]["stateMachineVersionArn"] for page in listed if page], [second, first])
    note("ListStateMachineVersions", "the newest first")

    routes = [{"stateMachineVersionArn": first, "weight": 100}]
    alias = sfn.create_state_machine_alias(name="live", routingConfiguration=routes)["stateMachineAliasArn"]
    equal(alias, f"{arn}:live")
    refused("ConflictException", sfn.create_state_machine_alias, name="live",
            routingConfiguration=[{"stateMachineVersionArn": second, "weight": 100}])
    refused("ValidationException", sfn.create_state_machine_alias, name="half",
            routingConfiguration=[{"stateMachineVersionArn": first, "weight": 50}])
    note("CreateStateMachineAlias", "all weight on the first version")

    routes = [{"stateMachineVersionArn": first, "weight": 30}, {"stateMachineVersionArn": second, "weight": 70}]
    sfn.update_state_machine_alias(stateMachineAliasArn=alias, routingConfiguration=routes, description="both")
    note("UpdateStateMachineAlias", "30 to 70")
    described = sfn.describe_state_machine_alias(stateMachineAliasArn=alias)
    equal((described["name"], described["description"]), ("live", "both"))
    equal(described["routingConfiguration"], routes)
    refused("ResourceNotFound", sfn.describe_state_machine_alias, stateMachineAliasArn=f"{arn}:dead")
    note("DescribeStateMachineAlias", "both versions with their weights")
    listed = sfn.list_state_machine_aliases(stateMachineArn=arn)["stateMachineAliases"]
    equal([item["stateMachineAliasArn"] for item in listed], [alias])
    note("ListStateMachineAliases", "one")

    taken = {first: 0, second: 0}
    for _ in range(60):
        execution = sfn.start_execution(stateMachineArn=alias)["executionArn"]
        described = sfn.describe_execution(executionArn=execution)
        equal(described["stateMachineAliasArn"], alias)
        taken[described["stateMachineVersionArn"]] += 1
    assert taken[first] and taken[second] > taken[first], taken
    refused("ConflictException", sfn.delete_state_machine_version, stateMachineVersionArn=first)
    routed = [item["executionArn"] for item in sfn.list_executions(stateMachineArn=alias)["executions"]]
    equal(len(routed), 60)

    sfn.delete_state_machine_alias(stateMachineAliasArn=alias)
    refused("ResourceNotFound", sfn.describe_state_machine_alias, stateMachineAliasArn=alias)
    note("DeleteStateMachineAlias", f"gone, after it routed {taken[first]} to {taken[second]}")
    sfn.delete_state_machine_version(stateMachineVersionArn=first)
    left = sfn.list_state_machine_versions(stateMachineArn=arn)["stateMachineVersions"]
    equal([item["stateMachineVersionArn"] for item in left], [second])
    note("DeleteStateMachineVersion", "one is left")


def executions():
    arn = create("echo", definition(P={"Type": "Pass", "End": True}))["stateMachineArn"]
    data = json.dumps({"umlaut": "ä", "list": [1, 2.5, None]})
    started = sfn.start_execution(stateMachineArn=arn, name="one", input=data)
    execution = started["executionArn"]
    equal(execution, "arn:aws:states:us-east-1:123456789012:execution:echo:one")
    refused("ExecutionAlreadyExists", sfn.start_execution, stateMachineArn=arn, name="one", input="{}")
    refused("InvalidExecutionInput", sfn.start_execution, stateMachineArn=arn, input="{")
    refused("StateMachineDoesNotExist", sfn.start_execution, stateMachineArn=f"{arn}x")
    note("StartExecution", "started; a second one of its name is refused")
    described = end(execution)
    equal((described["status"], json.loads(described["output"])), ("SUCCEEDED", json.loads(data)))
    equal((described["startDate"], described["name"]), (started["startDate"], "one"))
    equal(json.loads(described["input"]), json.loads(data))
    assert described["stopDate"] >= described["startDate"], described
    bare = sfn.describe_execution(executionArn=execution, includedData="METADATA_ONLY")
    assert "input" not in bare and "output" not in bare, bare
    refused("ExecutionDoesNotExist", sfn.describe_execution, executionArn=f"{execution}x")
    note("DescribeExecution", "with its data and without")
    described = sfn.describe_state_machine_for_execution(executionArn=execution)
    equal((described["stateMachineArn"], described["name"]), (arn, "echo"))
    note("DescribeStateMachineForExecution", "the machine's definition")

    forward = sfn.get_execution_history(executionArn=execution)["events"]
    kinds = ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]
    equal([event["type"] for event in forward], kinds)
    equal([(event["id"], event["previousEventId"]) for event in forward], [(1, 0), (2, 0), (3, 2), (4, 3)])
    equal(forward[0]["executionStartedEventDetails"]["roleArn"], ROLE)
    backward = pages("get_execution_history", "events", executionArn=execution, reverseOrder=True, maxResults=3)
    equal([event for page in backward for event in page], forward[::-1])
    bare = sfn.get_execution_history(executionArn=execution, includeExecutionData=False)["events"]
    assert "input" not in bare[0]["executionStartedEventDetails"], bare
    paginator = sfn.get_paginator("get_execution_history").paginate(
        executionArn=execution, PaginationConfig={"PageSize": 1})
    equal([event["id"] for page in paginator for event in page["events"]], [1, 2, 3, 4])
    note("GetExecutionHistory", "both ways, in pages, with data and without")

    waiting = create("waiting", WAIT)["stateMachineArn"]
    running = [sfn.start_execution(stateMachineArn=waiting, name=f"w{i}")["executionArn"] for i in range(5)]
    again = sfn.start_execution(stateMachineArn=waiting, name="w0")
    equal(again["executionArn"], running[0])
    sfn.stop_execution(executionArn=running[0], error="Enough", cause="the tour goes on")
    stopped = end(running[0])
    equal((stopped["status"], stopped["error"], stopped["cause"]), ("ABORTED", "Enough", "the tour goes on"))
    note("StopExecution", "aborted with its error and cause")
    listed = pages("list_executions", "executions", stateMachineArn=waiting, statusFilter="RUNNING", maxResults=3)
    equal([item["name"] for page in listed for item in page], ["w4", "w3", "w2", "w1"])
    aborted = sfn.list_executions(stateMachineArn=waiting, statusFilter="ABORTED")["executions"]
    equal([item["executionArn"] for item in aborted], running[:1])
    # The filter is for the children of a map run.
    refused("ValidationException", sfn.list_executions, stateMachineArn=waiting, redriveFilter="REDRIVEN")
    refused("StateMachineDoesNotExist", sfn.list_executions, stateMachineArn=f"{waiting}x")
    note("ListExecutions", "by status, in pages, the newest first")

    assert sfn.redrive_execution(executionArn=running[0])["redriveDate"] >= stopped["stopDate"]
    described = sfn.describe_execution(executionArn=running[0])
    equal((described["status"], described["redriveCount"]), ("RUNNING", 1))
    refused("ExecutionNotRedrivable", sfn.redrive_execution, executionArn=execution)
    for item in running:
        sfn.stop_execution(executionArn=item)
    note("RedriveExecution", "it runs again; one that succeeded is refused")

    express = create("express", PASS, "EXPRESS")["stateMachineArn"]
    answer = sfn.start_sync_execution(stateMachineArn=express, input='{"a":1}', name="now")
    equal((answer["status"], answer["output"], answer["name"]), ("SUCCEEDED", '{"a":1}', "now"))
    assert answer["billingDetails"]["billedDurationInMilliseconds"] >= 0, answer
    failing = create("failing", definition(F={"Type": "Fail", "Error": "E", "Cause": "C"}), "EXPRESS")
    answer = sfn.start_sync_execution(stateMachineArn=failing["stateMachineArn"])
    equal((answer["status"], answer["error"], answer["cause"]), ("FAILED", "E", "C"))
    refused("StateMachineTypeNotSupported", sfn.start_sync_execution, stateMachineArn=arn)
    note("StartSyncExecution", "a success, a failure; a standard machine is refused")
    task = {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:getItem", "Next": "N"}
    answer = sfn.test_state(
        definition=json.dumps(task),
        input='{"TableName":"t","Key":{}}',
        inspectionLevel="DEBUG",
        mock={"result": '{"Item":{"id":{"S":"1"}}}'},
    )
    assert (answer["status"], answer["nextState"]) == ("SUCCEEDED", "N"), answer
    assert json.loads(answer["inspectionData"]["result"])["Item"]["id"] == {"S": "1"}, answer
    refused("ValidationException", sfn.test_state, definition=json.dumps(task))
    note("TestState", "a mocked task, what is seen of it; a task without a role is refused")


def map_runs():
    items = definition(M={
        "Type": "Map", "End": True, "MaxConcurrency": 1, "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "W",
            "States": {"W": {"Type": "Wait", "SecondsPath": "$", "End": True}}}})
    arn = create("items", items)["stateMachineArn"]
    execution = sfn.start_execution(stateMachineArn=arn, input="[2, 0, 0]")["executionArn"]
    for _ in range(200):
        runs = sfn.list_map_runs(executionArn=execution)["mapRuns"]
        if runs:
            break
        time.sleep(0.02)
    equal(len(runs), 1)
    equal((runs[0]["executionArn"], runs[0]["stateMachineArn"].split("/")[0]), (execution, arn))
    refused("ExecutionDoesNotExist", sfn.list_map_runs, executionArn=f"{execution}x")
    note("ListMapRuns", "one")
    run = runs[0]["mapRunArn"]
    sfn.update_map_run(mapRunArn=run, maxConcurrency=3, toleratedFailureCount=1, toleratedFailurePercentage=50.0)
    refused("ResourceNotFound", sfn.update_map_run, mapRunArn=f"{run}x", maxConcurrency=1)
    note("UpdateMapRun", "more at a time, more failures tolerated")
    described = sfn.describe_map_run(mapRunArn=run)
    equal((described["status"], described["maxConcurrency"]), ("RUNNING", 3))
    equal((described["toleratedFailureCount"], described["toleratedFailurePercentage"]), (1, 50.0))
    equal(end(execution)["output"], "[2,0,0]")
    described = sfn.describe_map_run(mapRunArn=run)
    equal((described["status"], described["itemCounts"]["succeeded"]), ("SUCCEEDED", 3))
    equal(described["executionCounts"]["total"], 3)
    children = sfn.list_executions(mapRunArn=run)["executions"]
    equal([child["mapRunArn"] for child in children], [run] * 3)
    equal(sfn.list_executions(mapRunArn=run, redriveFilter="REDRIVEN")["executions"], [])
    equal(len(sfn.list_executions(mapRunArn=run, redriveFilter="NOT_REDRIVEN")["executions"]), 3)
    note("DescribeMapRun", "three children, as updated")


def activities():
    made = sfn.create_activity(name="work")
    arn = made["activityArn"]
    equal(sfn.create_activity(name="work")["creationDate"], made["creationDate"])
    refused("InvalidName", sfn.create_activity, name="a b")
    note("CreateActivity", "made, and made again")
    equal(sfn.describe_activity(activityArn=arn)["name"], "work")
    refused("ActivityDoesNotExist", sfn.describe_activity, activityArn=f"{arn}x")
    note("DescribeActivity", "as it was made")
    sfn.create_activity(name="idle")
    listed = pages("list_activities", "activities", maxResults=1)
    equal(sorted(item["name"] for page in listed for item in page), ["idle", "work"])
    note("ListActivities", "two in pages")

    task = {"Type": "Task", "Resource": arn, "HeartbeatSeconds": 600, "End": True}
    machine = create("worker", definition(T=task))["stateMachineArn"]
    execution = sfn.start_execution(stateMachineArn=machine, input='{"n":1}')["executionArn"]
    job = sfn.get_activity_task(activityArn=arn, workerName="tour")
    equal(json.loads(job["input"]), {"n": 1})
    note("GetActivityTask", "the task with its input")
    sfn.send_task_heartbeat(taskToken=job["taskToken"])
    refused("InvalidToken", sfn.send_task_heartbeat, taskToken="forged")
    note("SendTaskHeartbeat", "taken; a forged token is refused")
    refused("InvalidOutput", sfn.send_task_success, taskToken=job["taskToken"], output="{")
    sfn.send_task_success(taskToken=job["taskToken"], output='"done"')
    equal(end(execution)["output"], '"done"')
    refused("TaskTimedOut", sfn.send_task_success, taskToken=job["taskToken"], output='"again"')
    note("SendTaskSuccess", "ends it once")
    execution = sfn.start_execution(stateMachineArn=machine)["executionArn"]
    job = sfn.get_activity_task(activityArn=arn)
    sfn.send_task_failure(taskToken=job["taskToken"], error="Broken", cause="on purpose")
    failed = end(execution)
    equal((failed["status"], failed["error"], failed["cause"]), ("FAILED", "Broken", "on purpose"))
    note("SendTaskFailure", "with its error and cause")
    sfn.delete_activity(activityArn=arn)
    refused("ActivityDoesNotExist", sfn.get_activity_task, activityArn=arn)
    note("DeleteActivity", "gone")


def tags(arn):
    sfn.tag_resource(resourceArn=arn, tags=[{"key": "team", "value": "blue"}, {"key": "stage", "value": "test"}])
    refused("ResourceNotFound", sfn.tag_resource, resourceArn=f"{arn}x", tags=[])
    note("TagResource", "two tags")
    sfn.untag_resource(resourceArn=arn, tagKeys=["stage", "absent"])
    note("UntagResource", "one of them")
    equal(sfn.list_tags_for_resource(resourceArn=arn)["tags"], [{"key": "team", "value": "blue"}])
    note("ListTagsForResource", "the other one")


def functions():
    client = boto3.client("lambda", **SETTINGS)
    answer = client.invoke(FunctionName="echo", Payload=b'{"a":1}')
    equal((answer["StatusCode"], json.load(answer["Payload"])), (200, {"a": 1}))
    answer = client.invoke(FunctionName="echo", InvocationType="Event", Payload=b"{}")
    equal(answer["StatusCode"], 202)
    try:
        client.invoke(FunctionName="missing")
    except client.exceptions.ResourceNotFoundException:
        print("lambda invoke: answered; a missing function is refused")
        return
    raise AssertionError("a function that is missing answered")


def removal(arn):
    sfn.delete_state_machine(stateMachineArn=arn)
    for _ in range(200):
        try:
            sfn.describe_state_machine(stateMachineArn=arn)
        except sfn.exceptions.StateMachineDoesNotExist:
            note("DeleteStateMachine", "gone")
            return
        time.sleep(0.02)
    raise AssertionError(f"{arn} stays")


simple = machines()
tags(simple)
versions(simple)
executions()
map_runs()
activities()
functions()
removal(simple)
missed = set(sfn.meta.service_model.operation_names) - toured
assert not missed, f"not toured: {sorted(missed)}"
print(f"{len(toured)} operations")
