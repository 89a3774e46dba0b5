"""One of each: what a project can be deployed as."""


class Fast_Task(Task):
    async def run(event, context):
        import helpers

        return helpers.answer(event)


class Image(Task):
    service = "lambda:container"
    memory = 3008

    async def run(event, context):
        return event


class Packed(Task):
    service = "lambda:pexpm-runner"

    async def run(event, context):
        import helpers

        return helpers.answer(event)


class Long(Task):
    service = "ecs"
    cpu = 256
    memory = 512
    timeout = 7200

    async def run(event, context):
        from helpers import answer

        answer(event)


class Steady(Task):
    service = "ecs:worker"
    spec = "workers.steady:Steady"
    timeout = 600


class Growing(Task):
    service = "ecs:worker"
    spec = "workers.growing:Growing"
    concurrency = 5
    heartbeat_interval = 60
    autoscaling_min = 0
    autoscaling_max = 20


class Build(Task):
    service = "codebuild"
    timeout = 1200
    build_spec = {"version": 0.2, "phases": {"build": {"commands": ["make"]}}}


class Build_From_File(Task):
    service = "codebuild"


class Unused(Task):
    async def run(event, context):
        pass


class Tags(EventProcessor):
    async def get_custom_tags_ExecutionFailed(message, input_data, state_data_client):
        import helpers

        return {"answer": helpers.answer(input_data)}


@process_events(processor=Tags)
def inner(data):
    Fast_Task(key="Work")


def item(data):
    Growing(key="Handle")


@export()
def each_item(data):
    map(data["items"], item)
    inner(key="Once more")


@subscribe(project="everything", state_machine="main", status="failure")
@subscribe(project="everything", state_machine="each_item")
@subscribe(project="other_project", state_machine="some_machine")
@subscribe(topic_arn_import_value="${Environment}-news")
@subscribe(topic_arn_import_value="plain-news")
def repair(data):
    each_item(key="Again")


@schedule(expression="rate(5 minutes)", input_data={"why": "the clock"})
@subscribe(project="everything", state_machine="repair")
@process_events()
def main(data):
    data["fast"] = Fast_Task()
    data["image"] = Image()
    data["packed"] = Packed(data["fast"])
    Long()
    Steady()
    Build(env={"A": "b"}, build_arg_vars={"C": "d"})
    Build_From_File()
    each_item()
    inner()
