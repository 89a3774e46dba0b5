"""`TaskWorker` and `TaskContext`, where Fluxio's documentation has them."""

from stepwright_fluxio.context import TaskContext
from stepwright_fluxio.worker_base import TaskWorker

__all__ = ["TaskContext", "TaskWorker"]
