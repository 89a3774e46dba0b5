"""What the tasks of a Fluxio project meet at run time.

`stepwright run project.py` starts the entry points of this package: `function` for tasks on Lambda,
`ecs` for those on ECS, `worker` for queue workers. A task's `run` method gets a `TaskContext`.
"""

from .context import ExecutionStopped, TaskContext
from .state_data import ItemNotFound, ItemTooLarge, StateDataClient
from .worker_base import TaskWorker

__all__ = ["ExecutionStopped", "ItemNotFound", "ItemTooLarge", "StateDataClient", "TaskContext", "TaskWorker"]
