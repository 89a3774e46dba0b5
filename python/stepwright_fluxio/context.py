"""What a task knows about the execution it runs in."""

import os

from .state_data import StateDataClient, execution_id


class ExecutionStopped(Exception):
    """How a task that called `stop_execution` ends: the execution ends with it."""

    def __init__(self, error, cause):
        super().__init__(cause or error or "")
        self.error = error
        self.cause = cause


class TaskContext:
    """The second argument of `run`.

    Attributes: `task_name`, `execution_name`, `state_name`, `state_machine_name`, `trace_id`,
    `trace_source` and `state_data_client`.
    """

    def __init__(self, task_name, meta):
        self.task_name = task_name
        self.execution_name = meta.get("sfn_execution_name")
        self.state_name = meta.get("sfn_state_name")
        self.state_machine_name = meta.get("sfn_state_machine_name")
        self.trace_id = meta.get("trace_id")
        self.trace_source = meta.get("trace_source")
        self.stopped = None
        self._state_data_client = None

    @property
    def state_data_client(self):
        """The client for state data, opened when it is first used."""
        if self._state_data_client is None:
            self._state_data_client = StateDataClient(
                os.environ["STEPWRIGHT_STATE_DATA"],
                os.environ["STEPWRIGHT_STATE_DATA_TABLE"],
                execution_id(self.state_machine_name, self.execution_name),
            )
        return self._state_data_client

    async def stop_execution(self, error=None, cause=None):
        """Ends the execution once `run` is over: `return await context.stop_execution()`.

        `error` is short, as a code; `cause` explains it.
        """
        self.stopped = ExecutionStopped(error, cause)

    def close(self):
        """Closes what was opened."""
        if self._state_data_client is not None:
            self._state_data_client.close()
            self._state_data_client = None
