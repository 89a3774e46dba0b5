class Greet(Task):
    memory = 128
    timeout = 10

    async def run(event, context):
        return f"hello, {event['name']}"


@schedule(expression="cron(0 8 ? * MON-FRI *)", input_data={"name": "Ada"})
def main(data):
    data["greeting"] = Greet(key="Greet")
