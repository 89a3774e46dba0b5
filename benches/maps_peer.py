"""What the same costs in DBOS: `python3 benches/maps_peer.py DATABASE [--rows N] [--way queue|start]`.

A workflow reads the rows of a CSV file and runs a child workflow for each, which does nothing; both are durable, as the
execution and its children are in `benches/maps.py`. The children's results are written into a file. DATABASE is a URL:
`sqlite:////tmp/dbos.sqlite`, or PostgreSQL's. Needs the package `dbos`. `maps.py` measures the other side.
"""

import argparse
import csv
import json
import os
import tempfile
import time

from dbos import DBOS, DBOSConfig


@DBOS.workflow()
def child(row):
    return row


@DBOS.workflow()
def parent(path, way):
    with open(path) as file:
        rows = csv.DictReader(file)
        if way == "queue":
            handles = [DBOS.enqueue_workflow("rows", child, row) for row in rows]
        else:
            handles = [DBOS.start_workflow(child, row) for row in rows]
    results = [handle.get_result() for handle in handles]
    with open(f"{path}.json", "w") as file:
        json.dump(results, file)
    return len(results)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("database")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--way", choices=["queue", "start"], default="start")
    arguments = parser.parse_args()
    config: DBOSConfig = {
        "name": "peer",
        "system_database_url": arguments.database,
        "run_admin_server": False,
        "log_level": "WARNING",
    }
    DBOS(config=config)
    DBOS.launch()
    if arguments.way == "queue":
        DBOS.register_queue("rows", worker_concurrency=200, polling_interval_sec=0.01)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.csv")
        with open(path, "w") as file:
            file.write("id,name,number\n")
            file.writelines(f"{row},name-{row},{row * 7 % 1000}\n" for row in range(arguments.rows))
        began = time.monotonic()
        count = parent(path, arguments.way)
        took = time.monotonic() - began
        assert count == arguments.rows
    busy = sum(os.times()[:2])
    print(f"dbos {arguments.way:<6} {count:>10} {took:>8.2f} s {busy:>8.2f} s {count / took:>9.0f}/s", flush=True)
    # What it leaves running would keep the process.
    os._exit(0)


main()
