"""Orders are checked, priced line by line, paid and shipped; once a night, the books are closed."""


class CheckOrder(Task):
    """Finds out whether the order can be served at all."""

    memory = 512

    async def run(event, context):
        order = event["order"]
        return {
            "valid": bool(order["lines"]),
            "express": order.get("express", False),
            "count": len(order["lines"]),
        }


class ListLines(Task):
    """Keeps the lines where each iteration finds its own."""

    async def run(event, context):
        return context.state_data_client.put_items("lines", event["lines"])


class PriceLine(Task):
    async def run(event, context):
        line = context.state_data_client.get_item_for_map_iteration(event)
        line["total"] = line["quantity"] * line["price"]
        context.state_data_client.put_item("lines", line, index=event["context_index"])


class SumUp(Task):
    async def run(event, context):
        client = context.state_data_client
        lines = [client.get_item("lines", index=at) for at in range(event["count"])]
        total = sum(line["total"] for line in lines)
        client.put_item("bill", {"lines": lines, "total": total})
        return {"total": total}


class Charge(Task):
    timeout = 30

    async def run(event, context):
        if event["total"] > 10_000:
            raise ValueError("the card has a limit")
        return {"receipt": "R-%d" % event["total"]}


class Refund(Task):
    async def run(event, context):
        print("nothing was charged:", event["error"]["Error"])


class PackExpress(Task):
    service = "lambda:container"
    memory = 1024

    async def run(event, context):
        print("packed at once")


class PackLater(Task):
    async def run(event, context):
        print("packed with the others")


class RenderLabels(Task):
    """A long computation, in a process of its own."""

    service = "ecs"
    cpu = 2048
    memory = 4096
    timeout = 1200

    async def run(event, context):
        print("labels for", event["order"]["id"])


class Notify(Task):
    """A worker that takes messages from a queue."""

    service = "ecs:worker"
    spec = "shop.workers:Notifier"
    timeout = 120
    concurrency = 10
    heartbeat_interval = 30
    autoscaling_min = 1
    autoscaling_max = 4


class CountFlags(Task):
    async def run(event, context):
        if not event.get("enabled", True):
            return await context.stop_execution(error="Disabled", cause="the shop is closed")
        return 1


class CloseBooks(Task):
    async def run(event, context):
        from datetime import date

        print("closed", date.today())


class OrderEvents(EventProcessor):
    """Tags for what is told about the orders."""

    async def get_custom_tags_ExecutionStarted(message, input_data, state_data_client):
        return {"order.id": input_data["order"]["id"]}

    async def get_custom_tags_ExecutionSucceeded(message, input_data, state_data_client):
        return {"order.served": True}

    async def get_custom_tags_ExecutionFailed(message, input_data, state_data_client):
        return {"order.served": False}


def price_line(data):
    with retry(max_attempts=2):
        PriceLine(key="Price a line")


def labels(data):
    RenderLabels(key="Render the labels")


def news(data):
    if str(data["order"]["contact"]) == "none":
        return
    Notify(key="Tell the customer")


@export()
def books(data):
    CloseBooks(key="Close the books")


@schedule(expression="cron(0 3 * * ? *)", input_data={"reason": "every night"})
def nightly(data):
    books(key="Run the books")


@subscribe(project="returns", status="failure")
@process_events()
def returned(data):
    wait(timestamp=data["due"])
    Refund(key="Refund what came back")


@process_events(processor=OrderEvents)
def main(data):
    data["currency"] = "EUR"
    data.update({"attempt": 1, "source": "web"})
    CountFlags(key="Is the shop open?")
    data["check"] = CheckOrder(key="Check the order")
    if not bool(data["check"]["valid"]):
        raise EmptyOrder("the order has no lines")
    elif data["check"]["count"] > 100 or data["order"]["kind"] == "bulk":
        wait(seconds=5)
    else:
        data["attempt"] = 2
        data["small"] = True

    data["lines"] = ListLines(data["order"], key="List the lines")
    map(data["lines"], price_line, max_concurrency=3)
    data["bill"] = SumUp(data["check"], key="Sum up")

    try:
        with retry(on_exceptions=[ConnectionError, States.Timeout], interval=2, backoff_rate=1.5):
            data["payment"] = Charge(data["bill"], key="Charge", timeout=60)
    except (ValueError, States.TaskFailed):
        Refund(key="Refund")
        raise NotPaid("the charge failed")
    except:
        raise Broken()

    if bool(data["check"]["express"]):
        PackExpress(key="Pack at once")
    else:
        wait(seconds=1)
        PackLater(key="Pack later")
    parallel(labels, news)
    return
