"""A tour of Batch."""

import sys
import time

from tour import ANYTHING, Tour, client, error

tour = Tour({})
batch = client("batch", tour.endpoint)
step = tour.step
SHELL = ["/bin/sh", "-c"]


def register(name, script, **more):
    container = {"image": "any", "command": [*SHELL, script], "vcpus": 1, "memory": 512, **more.pop("container", {})}
    call = lambda: batch.register_job_definition(
        jobDefinitionName=name, type="container", containerProperties=container, **more
    )
    return step(f"register {name}", call, {"jobDefinitionName": name, "revision": ANYTHING})


def submit(name, definition=None, **more):
    call = lambda: batch.submit_job(jobName=name, jobQueue="q", jobDefinition=definition or name, **more)
    return step(f"submit {name}", call, {"jobName": name, "jobId": ANYTHING}).get("jobId", "")


def described(job):
    return batch.describe_jobs(jobs=[job])["jobs"][0]


def ended(job, seconds=30):
    for _ in range(seconds * 20):
        found = described(job)
        if found["status"] in ("SUCCEEDED", "FAILED"):
            return found
        time.sleep(0.05)
    return found


def until(job, status):
    for _ in range(600):
        if described(job)["status"] == status:
            return
        time.sleep(0.05)


# Environments and queues.
resources = {"type": "FARGATE", "maxvCpus": 4, "subnets": ["s"], "securityGroupIds": ["g"]}
environment = lambda **more: batch.create_compute_environment(
    **{"computeEnvironmentName": "ce", "type": "MANAGED", "computeResources": resources, **more}
)
step("environment", environment, {"computeEnvironmentArn": ANYTHING})
step("environment again", environment, error("ClientException", "already exists"))
step("environment with a bad name", lambda: environment(computeEnvironmentName="../x"), error("ClientException"))
step("environment of no type", lambda: environment(computeEnvironmentName="x", type="X"), error("ClientException"))
order = [{"order": 1, "computeEnvironment": "ce"}]
queue = lambda **more: batch.create_job_queue(
    **{"jobQueueName": "q", "priority": 1, "computeEnvironmentOrder": order, **more}
)
step("queue", queue, {"jobQueueName": "q", "jobQueueArn": ANYTHING})
step("queue again", queue, error("ClientException", "already exists"))
step("queue without environments", lambda: queue(jobQueueName="p", computeEnvironmentOrder=[]), error("ClientException"))
nowhere = [{"order": 1, "computeEnvironment": "none"}]
step("queue of none", lambda: queue(jobQueueName="p", computeEnvironmentOrder=nowhere), error("ClientException", "exist"))
found = step("queues", lambda: batch.describe_job_queues(jobQueues=["q"]), {"jobQueues": [{"state": "ENABLED"}]})
arn = found["jobQueues"][0]["jobQueueArn"]
step("tags", lambda: batch.tag_resource(resourceArn=arn, tags={"a": "b"}), ANYTHING)
step("tags are there", lambda: batch.list_tags_for_resource(resourceArn=arn), {"tags": {"a": "b"}})
step("untag", lambda: batch.untag_resource(resourceArn=arn, tagKeys=["a"]), ANYTHING)
step("no tags", lambda: batch.list_tags_for_resource(resourceArn=arn), {"tags": lambda tags: tags == {}})
step("tags of nothing", lambda: batch.list_tags_for_resource(resourceArn=arn + "x"), error("ClientException"))
step("environment in use", lambda: batch.delete_compute_environment(computeEnvironment="ce"), error("ClientException"))

# Definitions.
step(
    "register without a command",
    lambda: batch.register_job_definition(
        jobDefinitionName="d", type="container", containerProperties={"image": "i", "vcpus": 1, "memory": 1}
    ),
    error("ClientException", "command"),
)
step("register another type", lambda: batch.register_job_definition(jobDefinitionName="d", type="multinode"), error("ClientException"))


def refused(name, part, **more):
    container = {"image": "i", "vcpus": 1, "memory": 1, "command": ["true"], **more.pop("container", {})}
    call = lambda: batch.register_job_definition(
        jobDefinitionName="d", type="container", containerProperties=container, **more
    )
    step(f"register {name}", call, error("ClientException", part))


refused("with privileges", "privileged", container={"privileged": True})
refused("with a user", "user", container={"user": "root"})
refused("with a GPU", "GPU", container={"resourceRequirements": [{"type": "GPU", "value": "1"}]})
volumes = [{"name": "v", "host": {"sourcePath": "/data"}}]
elsewhere = {"volumes": volumes, "mountPoints": [{"sourceVolume": "v", "containerPath": "/mnt"}]}
refused("with a folder elsewhere", "/mnt", container=elsewhere)
refused("with too many attempts", "attempts", retryStrategy={"attempts": 11})
refused("with a bad action", "evaluateOnExit", retryStrategy={"evaluateOnExit": [{"action": "X", "onExitCode": "1"}]})
same = {"volumes": volumes, "mountPoints": [{"sourceVolume": "v", "containerPath": "/data"}]}
register("same", "true", container=same)

# A job.
script = (
    'test "$AWS_BATCH_JOB_ATTEMPT" = 1 && test "$AWS_BATCH_JQ_NAME" = q && test -n "$AWS_BATCH_JOB_ID" && '
    'test "$AWS_REGION" = us-east-1 && test -n "$AWS_ENDPOINT_URL" && test "$COLOUR" = blue && '
    'test "$SIZE" = 7 && test Ref::what = given && test Ref::other = default'
)
variables = [{"name": "COLOUR", "value": "red"}, {"name": "SIZE", "value": "7"}]
register("good", script, parameters={"what": "none", "other": "default"}, container={"environment": variables})
over = {"environment": [{"name": "COLOUR", "value": "blue"}]}
job = submit("good", parameters={"what": "given"}, containerOverrides=over)
step(
    "good",
    lambda: ended(job),
    {
        "status": "SUCCEEDED",
        "container": {"exitCode": 0, "logStreamName": ANYTHING},
        "attempts": [{"container": {"exitCode": 0}, "startedAt": ANYTHING, "stoppedAt": ANYTHING}],
        "createdAt": ANYTHING,
        "startedAt": ANYTHING,
        "stoppedAt": ANYTHING,
    },
)
step("list", lambda: batch.list_jobs(jobQueue="q", jobStatus="SUCCEEDED"), {"jobSummaryList": [{"jobId": job}]})
step("list a bad status", lambda: batch.list_jobs(jobQueue="q", jobStatus="X"), error("ClientException"))
step("list no queue", lambda: batch.list_jobs(jobQueue="none"), error("ClientException", "exist"))
step("describe none", lambda: batch.describe_jobs(jobs=["none"]), {"jobs": []})
step("submit to none", lambda: batch.submit_job(jobName="j", jobQueue="none", jobDefinition="good"), error("ClientException"))
step("submit none", lambda: batch.submit_job(jobName="j", jobQueue="q", jobDefinition="none"), error("ClientException"))
step("terminate none", lambda: batch.terminate_job(jobId="none", reason="r"), ANYTHING)

# Retries.
register("retried", 'test "$AWS_BATCH_JOB_ATTEMPT" = 3 || exit 5', retryStrategy={"attempts": 4})
attempts = [{"container": {"exitCode": 5}}, {"container": {"exitCode": 5}}, {"container": {"exitCode": 0}}]
job = submit("retried")
step("retried", lambda: ended(job), {"status": "SUCCEEDED", "attempts": attempts})
rules = [{"onExitCode": "5", "action": "EXIT"}, {"onExitCode": "*", "action": "RETRY"}]
job = submit("rules", "retried", retryStrategy={"attempts": 4, "evaluateOnExit": rules})
step("rules", lambda: ended(job), {"status": "FAILED", "attempts": attempts[:1], "container": {"exitCode": 5}})
register("absent", "true", container={"command": ["/nonexistent/program"]})
job = submit("absent")
step(
    "absent",
    lambda: ended(job),
    {"status": "FAILED", "container": {"exitCode": None, "reason": lambda why: why.startswith("CannotStart")}},
)

# Time.
register("slow", "sleep 60")
job = submit("timeout", "slow", timeout={"attemptDurationSeconds": 1}, retryStrategy={"attempts": 3})
step("timeout", lambda: ended(job), {"status": "FAILED", "statusReason": lambda why: "timeout" in why, "attempts": [ANYTHING]})
job = submit("terminated", "slow", retryStrategy={"attempts": 3})
until(job, "RUNNING")
batch.cancel_job(jobId=job, reason="no")
step("cancel does not end it", lambda: described(job), {"status": "RUNNING"})
batch.terminate_job(jobId=job, reason="enough")
step("terminated", lambda: ended(job), {"status": "FAILED", "statusReason": "enough", "isTerminated": True, "attempts": [ANYTHING]})

# Arrays and dependencies.
register("array", 'test "$AWS_BATCH_JOB_ARRAY_INDEX" != 2')
array = submit("array", arrayProperties={"size": 4})
step(
    "array",
    lambda: ended(array),
    {"status": "FAILED", "arrayProperties": {"size": 4, "statusSummary": {"SUCCEEDED": 3, "FAILED": 1}}},
)
step("child", lambda: described(array + ":2"), {"status": "FAILED", "arrayProperties": {"index": 2}})
listed = lambda: batch.list_jobs(arrayJobId=array, jobStatus="SUCCEEDED")
step("children", listed, {"jobSummaryList": [ANYTHING, ANYTHING, ANYTHING]})
register("fine", "sleep 0.2")
first = submit("first", "fine", arrayProperties={"size": 3}, dependsOn=[{"type": "SEQUENTIAL"}])
second = submit("second", "fine", arrayProperties={"size": 3}, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
third = submit("third", "fine", dependsOn=[{"jobId": second}])
step("third waits", lambda: described(third), {"status": "PENDING"})
step("third", lambda: ended(third), {"status": "SUCCEEDED"})


def in_order():
    at = [described(f"{first}:{index}") for index in range(3)]
    peers = [described(f"{second}:{index}") for index in range(3)]
    return all(one["stoppedAt"] <= other["startedAt"] for one, other in [*zip(at, at[1:]), *zip(at, peers)])


step("order", in_order, True)
register("bad", "exit 1")
bad = submit("bad", "bad", dependsOn=[{"jobId": third}])
after = submit("after", "fine", dependsOn=[{"jobId": bad}])
step("after a bad one", lambda: ended(after), {"status": "FAILED", "statusReason": "Dependent Job failed"})
step(
    "depend on none",
    lambda: batch.submit_job(jobName="j", jobQueue="q", jobDefinition="fine", dependsOn=[{"jobId": "none"}]),
    error("ClientException"),
)
step(
    "N_TO_N of one",
    lambda: batch.submit_job(jobName="j", jobQueue="q", jobDefinition="fine", dependsOn=[{"jobId": third, "type": "N_TO_N"}]),
    error("ClientException", "N_TO_N"),
)
step(
    "an array of one",
    lambda: batch.submit_job(jobName="j", jobQueue="q", jobDefinition="fine", arrayProperties={"size": 1}),
    error("ClientException", "size"),
)
long = submit("long", "slow", arrayProperties={"size": 20})
waits = submit("waits", "fine", dependsOn=[{"jobId": long}])
batch.cancel_job(jobId=waits, reason="not needed")
step("cancelled", lambda: ended(waits), {"status": "FAILED", "statusReason": "not needed", "isCancelled": True})
batch.terminate_job(jobId=long, reason="all of them")
step("all of them", lambda: ended(long), {"status": "FAILED", "arrayProperties": {"statusSummary": {"FAILED": 20}}})

# Abuse.
register("loud", "yes loud | head -c 50000000")
job = submit("loud")
step("loud", lambda: ended(job, 60), {"status": "SUCCEEDED"})
register("large", "true", container={"command": [sys.executable, "-c", "import time; x = b'x' * (1 << 28); time.sleep(20)"], "memory": 64})
job = submit("large")
step("large", lambda: ended(job), {"status": "FAILED", "container": {"exitCode": 137, "reason": lambda why: "OutOfMemory" in why}})
register("forks", "sleep 300 & sleep 300 & exit 0")
job = submit("forks")
step("forks", lambda: ended(job), {"status": "SUCCEEDED"})

# The end.
step("deregister", lambda: batch.deregister_job_definition(jobDefinition="good:1"), ANYTHING)
step("submit what is inactive", lambda: batch.submit_job(jobName="j", jobQueue="q", jobDefinition="good"), error("ClientException"))
inactive = lambda: batch.describe_job_definitions(jobDefinitionName="good", status="INACTIVE")
step("inactive", inactive, {"jobDefinitions": [{"revision": 1}]})
register("good", "true")
step("a new revision", lambda: batch.describe_job_definitions(jobDefinitionName="good", status="ACTIVE"), {"jobDefinitions": [{"revision": 2}]})
step("delete an enabled queue", lambda: batch.delete_job_queue(jobQueue="q"), error("ClientException"))
step("disable", lambda: batch.update_job_queue(jobQueue="q", state="DISABLED"), {"jobQueueName": "q"})
step("submit to a disabled queue", lambda: batch.submit_job(jobName="j", jobQueue="q", jobDefinition="good"), error("ClientException"))
step("delete", lambda: batch.delete_job_queue(jobQueue="q"), ANYTHING)
step("delete the environment", lambda: batch.delete_compute_environment(computeEnvironment="ce"), ANYTHING)
tour.end()
