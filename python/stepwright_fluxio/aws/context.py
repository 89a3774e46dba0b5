"""What a task on AWS knows about the execution it runs in."""

import os

from ..context import TaskContext
from ..state_data import execution_id
from .clients import client, error_code
from .state_data import DynamoStateDataClient

#: How long the error and the cause of an execution may be.
MOST_ERROR = 256
MOST_CAUSE = 32768


class AwsTaskContext(TaskContext):
    """The second argument of `run`, as it is elsewhere; the state data are in DynamoDB."""

    @property
    def state_data_client(self):
        """The client for state data, made when it is first used."""
        if self._state_data_client is None:
            table = os.environ["STEPWRIGHT_STATE_DATA_TABLE"]
            self._state_data_client = DynamoStateDataClient(
                table, execution_id(self.state_machine_name, self.execution_name)
            )
        return self._state_data_client

    def end_execution(self):
        """Ends the execution, if the task asked for that. Says whether it did."""
        if self.stopped is None:
            return False
        arn = ":".join([os.environ["STEPWRIGHT_EXECUTIONS"], self.state_machine_name, self.execution_name])
        request = {"executionArn": arn} | failure(self.stopped.error, self.stopped.cause)
        try:
            client("stepfunctions").stop_execution(**request)
        except Exception as problem:
            # It has ended already, for instance because another of its tasks stopped it.
            if error_code(problem) != "ExecutionDoesNotExist":
                raise
        return True


def failure(error, cause):
    """The error and the cause of a failure as Step Functions takes them."""
    parts = {"error": (error, MOST_ERROR), "cause": (cause, MOST_CAUSE)}
    return {key: str(text)[:most] for key, (text, most) in parts.items() if text is not None}
