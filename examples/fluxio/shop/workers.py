"""Workers of the shop."""

from ns_sfn_task_entry_points.ecs_worker_app import TaskContext, TaskWorker


class Notifier(TaskWorker):
    """Tells customers what has become of their orders."""

    async def on_startup(self):
        await super().on_startup()
        self.sent = 0

    async def on_cleanup(self):
        await super().on_cleanup()
        print("messages sent:", self.sent)

    async def run(self, event, context: TaskContext):
        bill = context.state_data_client.get_item("bill")
        self.sent += 1
        print("dear %s, your order costs %d" % (event["order"]["contact"], bill["total"]))
