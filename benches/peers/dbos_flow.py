"""The peer DBOS: `python3 peers/dbos_flow.py DATABASE CLIENTS SECONDS` runs workflows of ten steps that do nothing, as many at a time
as there are clients, and prints how many ended in a second, the median and the 99th percentile in milliseconds.

DATABASE is a URL, `sqlite:////tmp/dbos.sqlite` or PostgreSQL's. The clients are threads of the same process: nothing is sent over HTTP. Needs the
package `dbos`.
"""

import os
import sys
import threading
import time

from dbos import DBOS, DBOSConfig


@DBOS.step()
def step(at):
    return at


@DBOS.workflow()
def ten(pad):
    for at in range(10):
        step(at)
    return len(pad)


def main():
    database, clients, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    config: DBOSConfig = {"name": "peer", "system_database_url": database, "run_admin_server": False, "log_level": "ERROR"}
    DBOS(config=config)
    DBOS.launch()
    pad = "x" * 1000
    ten(pad)
    took = []
    end = time.monotonic() + seconds

    def client():
        while time.monotonic() < end:
            began = time.monotonic()
            ten(pad)
            took.append((time.monotonic() - began) * 1000)

    began = time.monotonic()
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = len(took) / (time.monotonic() - began)
    took.sort()
    print(rate, took[len(took) // 2], took[len(took) * 99 // 100], flush=True)
    # What it leaves running would keep the process.
    os._exit(0)


main()
