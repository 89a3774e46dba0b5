"""The base class of queue workers, and the heartbeats that keep their messages."""

import threading
import traceback


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


class Heartbeats:
    """Calls a function at regular intervals until `end` is called.

    A thread does it: a handler that computes, or waits without `await`, keeps the event loop busy, and
    must not lose its message for that.
    """

    def __init__(self, interval, beat):
        """`interval` is in seconds."""
        self._interval = interval
        self._beat = beat
        self._over = threading.Event()
        # Held during a heartbeat, so that none comes after `end`.
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self):
        """Ends the heartbeats. None is sent afterwards."""
        self._over.set()
        with self._lock:
            pass

    def _run(self):
        while not self._over.wait(self._interval):
            with self._lock:
                if self._over.is_set():
                    return
                try:
                    self._beat()
                except Exception:
                    # It is tried again at the next heartbeat, or the message goes to another worker.
                    traceback.print_exc()
