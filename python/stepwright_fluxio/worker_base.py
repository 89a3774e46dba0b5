"""The base class of queue workers."""


class TaskWorker:
    """Handles the messages of an `ecs:worker` task.

    One object lives as long as its process. `on_startup` and `on_cleanup` are called once, `run` for
    each message, for several at a time if the task's `concurrency` is above 1.
    """

    async def on_startup(self):
        """Called before the first message."""

    async def on_cleanup(self):
        """Called when no more messages come."""

    async def run(self, event, context):
        """Handles one message. What it returns is the result of the task."""
        raise NotImplementedError(f"{type(self).__name__} has no `run` method")
