"""A tour of ECS."""

import time

from tour import ANYTHING, Tour, client, error

tour = Tour({})
ecs = client("ecs", tour.endpoint)
step = tour.step
SHELL = ["/bin/sh", "-c"]


def shell(name, script, **more):
    return {"name": name, "image": "any", "command": [*SHELL, script], "memory": 512, **more}


def register(family, *containers, **more):
    call = lambda: ecs.register_task_definition(family=family, containerDefinitions=list(containers), **more)
    expected = {"taskDefinition": {"family": family, "status": "ACTIVE", "revision": ANYTHING}}
    return step(f"register {family}", call, expected)


def refused(name, part, *containers):
    call = lambda: ecs.register_task_definition(family="f", containerDefinitions=list(containers))
    step(f"register {name}", call, error("ClientException", part))


def run(name, family=None, **more):
    started = step(f"run {name}", lambda: ecs.run_task(taskDefinition=family or name, **more), {"failures": []})
    return (started.get("tasks") or [{"taskArn": "none"}])[0]["taskArn"]


def described(task, **more):
    return ecs.describe_tasks(tasks=[task], **more)["tasks"][0]


def until(task, status, **more):
    for _ in range(600):
        found = described(task, **more)
        if found["lastStatus"] == status:
            return found
        time.sleep(0.05)
    return found


# Clusters.
step("cluster", lambda: ecs.create_cluster(clusterName="c"), {"cluster": {"clusterName": "c", "status": "ACTIVE"}})
step("a bad cluster", lambda: ecs.create_cluster(clusterName="../c"), error("InvalidParameterException"))
missing = [{"arn": ANYTHING, "reason": "MISSING"}]
step("clusters", lambda: ecs.describe_clusters(clusters=["c", "x"]), {"clusters": [ANYTHING], "failures": missing})

# Definitions.
refused("nothing", "at least 1")
refused("a bad name", "name", shell("../a", "true"))
refused("the same name twice", "more than one", shell("a", "true"), shell("a", "true"))
refused("privileges", "privileged", shell("a", "true", privileged=True))
refused("secrets", "secrets", shell("a", "true", secrets=[{"name": "A", "valueFrom": "b"}]))
refused("a health check", "HEALTHY", shell("b", "true"), shell("a", "true", dependsOn=[{"containerName": "b", "condition": "HEALTHY"}]))
refused("a cycle", "before", shell("a", "true", dependsOn=[{"containerName": "a", "condition": "START"}]))
refused("no essential one", "essential", shell("a", "true", essential=False))
step("describe none", lambda: ecs.describe_task_definition(taskDefinition="none"), error("ClientException"))
register("imageonly", {"name": "a", "image": "any", "memory": 1})
step("run without a command", lambda: ecs.run_task(taskDefinition="imageonly"), error("ClientException", "command"))

# A task.
script = (
    'test "$COLOUR" = blue && test "$SIZE" = 7 && test -n "$AWS_ENDPOINT_URL" && test "$AWS_REGION" = us-east-1 && '
    'test "$PWD" = / && echo done'
)
variables = [{"name": "COLOUR", "value": "red"}, {"name": "SIZE", "value": "7"}]
register("good", shell("main", script, environment=variables, workingDirectory="/"))
over = {"containerOverrides": [{"name": "main", "environment": [{"name": "COLOUR", "value": "blue"}]}]}
task = run("good", cluster="c", overrides=over, startedBy="me", launchType="FARGATE")
step(
    "good",
    lambda: until(task, "STOPPED", cluster="c"),
    {
        "desiredStatus": "STOPPED",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "startedBy": "me",
        "launchType": "FARGATE",
        "createdAt": ANYTHING,
        "startedAt": ANYTHING,
        "stoppedAt": ANYTHING,
        "containers": [{"name": "main", "exitCode": 0, "lastStatus": "STOPPED"}],
    },
)
step("list", lambda: ecs.list_tasks(cluster="c", startedBy="me", desiredStatus="STOPPED"), {"taskArns": [task]})
step("not in another cluster", lambda: ecs.describe_tasks(tasks=[task]), {"tasks": [], "failures": missing})
step("run in none", lambda: ecs.run_task(taskDefinition="good", cluster="none"), error("ClusterNotFoundException"))
step("run none", lambda: ecs.run_task(taskDefinition="none"), error("ClientException"))
step("run too many", lambda: ecs.run_task(taskDefinition="good", count=11), error("InvalidParameterException"))
foreign = {"containerOverrides": [{"name": "other", "command": ["true"]}]}
step("override none", lambda: ecs.run_task(taskDefinition="good", overrides=foreign), error("InvalidParameterException"))
once = lambda: ecs.run_task(taskDefinition="good", clientToken="once")
first = step("once", once, {"tasks": [ANYTHING]})
step("once again", once, {"tasks": [{"taskArn": first["tasks"][0]["taskArn"]}]})

# Several containers.
waits = lambda condition: [{"containerName": "first", "condition": condition}]
register(
    "ordered",
    shell("first", "sleep 0.3; exit 0", essential=False),
    shell("main", "exit 4", dependsOn=waits("SUCCESS")),
    shell("side", "sleep 60"),
)
task = run("ordered")
codes = [{"name": "first", "exitCode": 0}, {"name": "main", "exitCode": 4}, {"name": "side", "exitCode": 143}]
step("ordered", lambda: until(task, "STOPPED"), {"containers": codes})
register("blocked", shell("first", "exit 1", essential=False), shell("main", "true", dependsOn=waits("SUCCESS")))
task = run("blocked")
step("blocked", lambda: until(task, "STOPPED"), {"stopCode": "TaskFailedToStart", "containers": [{"exitCode": 1}, {"exitCode": None}]})

# Stopping.
register("slow", shell("main", "sleep 60 & sleep 60"))
task = run("slow")
until(task, "RUNNING")
step("stop", lambda: ecs.stop_task(task=task, reason="enough"), {"task": {"desiredStatus": "STOPPED"}})
stopped = {"stopCode": "UserInitiated", "stoppedReason": "enough", "containers": [{"exitCode": 143}]}
step("stopped", lambda: until(task, "STOPPED"), stopped)
step("stop none", lambda: ecs.stop_task(task="none"), error("InvalidParameterException"))

# Tags and the end.
tags = [{"key": "a", "value": "b"}]
step("tag", lambda: ecs.tag_resource(resourceArn=task, tags=tags), ANYTHING)
step("tags", lambda: ecs.list_tags_for_resource(resourceArn=task), {"tags": tags})
step("deregister", lambda: ecs.deregister_task_definition(taskDefinition="good:1"), {"taskDefinition": {"status": "INACTIVE"}})
step("run what is inactive", lambda: ecs.run_task(taskDefinition="good:1"), error("ClientException"))
listed = lambda: ecs.list_task_definitions(familyPrefix="slow")
step("definitions", listed, {"taskDefinitionArns": [lambda arn: arn.endswith("task-definition/slow:1")]})
step("delete", lambda: ecs.delete_cluster(cluster="c"), {"cluster": {"clusterName": "c"}})
tour.end()
