"""What the tasks of a deployed project meet on AWS.

`stepwright synth project.py` puts this package into the folder of each task, with the task's `run` method
in `fluxio_task.py` beside it. The entry points are `function` (Lambda), `ecs`, `worker` and `runner` (the
PEXPM runner). `starter` starts state machines that subscribe to others, `processor` reads their logs, and
`dead_letters` fails tasks that no worker could do.
"""
