"""What a distributed Map costs: `python3 benches/maps.py PROGRAM [--kind KIND] [--rows N,N] [--express] [--width N]`.

Starts a server of its own, puts the rows into its bucket, and runs a Map over them whose children do nothing and
whose results are written. Prints the seconds, those of processor that the server took, the rows in a second, the most memory that the server had resident,
and what a row cost in the first and in the last tenth. No package is needed.

Kinds: csv, csv.gz, csv.zst, jsonl, inventory (over 100 files), parquet (the last and zst with the packages
`pyarrow` and `zstandard`).
"""

import argparse
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

ACCOUNT = "123456789012"
FILES = 100


def write_rows(bucket, kind, rows, width):
    """Writes the rows, whose names have so many bytes at least, and returns the reader's configuration."""
    pad = "x" * width
    lines = (f"{row},name-{row}{pad},{row * 7 % 1000}\n" for row in range(rows))
    table = {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}
    path = os.path.join(bucket, "rows")
    if kind == "csv":
        with open(path, "w") as file:
            file.write("id,name,number\n")
            file.writelines(lines)
        return table
    if kind == "csv.gz":
        with gzip.open(path, "wt", compresslevel=1) as file:
            file.write("id,name,number\n")
            file.writelines(lines)
        return table
    if kind == "csv.zst":
        import zstandard

        with zstandard.open(path, "wt") as file:
            file.write("id,name,number\n")
            file.writelines(lines)
        return table
    if kind == "jsonl":
        with open(path, "w") as file:
            file.writelines(f'{{"id":"{row}","name":"name-{row}{pad}","number":"{row * 7 % 1000}"}}\n' for row in range(rows))
        return {"InputType": "JSONL"}
    if kind == "inventory":
        for number in range(FILES):
            with open(os.path.join(bucket, f"part-{number:03}.csv"), "w") as file:
                file.writelines(f'"{row}","name-{row}{pad}","{row * 7 % 1000}"\n' for row in range(number, rows, FILES))
        manifest = {
            "destinationBucket": "arn:aws:s3:::rows",
            "fileFormat": "CSV",
            "fileSchema": "id, name, number",
            "files": [{"key": f"part-{number:03}.csv"} for number in range(FILES)],
        }
        with open(path, "w") as file:
            json.dump(manifest, file)
        return {"InputType": "MANIFEST"}
    if kind == "parquet":
        import pyarrow
        import pyarrow.parquet

        columns = {
            "id": [str(row) for row in range(rows)],
            "name": [f"name-{row}{pad}" for row in range(rows)],
            "number": [row * 7 % 1000 for row in range(rows)],
        }
        pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=100_000, compression="snappy")
        return {"InputType": "PARQUET"}
    sys.exit(f"there is no kind {kind}")


def machine(config, is_express):
    state = {
        "Type": "Map",
        "MaxConcurrency": 0,
        "End": True,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": config,
            "Parameters": {"Bucket": "rows", "Key": "rows"},
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS" if is_express else "STANDARD"},
            "StartAt": "P",
            "States": {"P": {"Type": "Pass", "End": True}},
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "rows", "Prefix": "out"},
        },
    }
    return {"StartAt": "M", "States": {"M": state}}


class Server:
    def __init__(self, program, data):
        arguments = [program, "serve", "--data", data, "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            found = re.search(r"http://[0-9.]+:[0-9]+", line)
            if found:
                self.url = found.group(0)
                return
        sys.exit("the server did not say where it is")

    def call(self, operation, body):
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AWSStepFunctions.{operation}"}
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def succeeded(self):
        with urllib.request.urlopen(self.url + "/metrics") as answer:
            found = re.search(r"^stepwright_\w*succeeded\w* (\d+)", answer.read().decode(), re.MULTILINE)
        return int(found.group(1))

    def busy(self):
        """The seconds of processor that it has taken, as a user and in the system."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self, name="VmRSS"):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(rf"{name}:\s+(\d+)", status.read()).group(1)) / 1024


def measure(program, kind, rows, is_express, width):
    with tempfile.TemporaryDirectory() as data:
        bucket = os.path.join(data, "buckets", "rows")
        os.makedirs(bucket)
        config = write_rows(bucket, kind, rows, width)
        server = Server(program, data)
        try:
            body = {"name": "m", "definition": json.dumps(machine(config, is_express)), "roleArn": f"arn:aws:iam::{ACCOUNT}:role/r"}
            created = server.call("CreateStateMachine", body)
            before, busy = server.resident(), server.busy()
            began = time.monotonic()
            started = server.call("StartExecution", {"stateMachineArn": created["stateMachineArn"]})
            marks, peak = [(0.0, 0)], before
            while True:
                time.sleep(0.05)
                peak = max(peak, server.resident())
                marks.append((time.monotonic() - began, server.succeeded()))
                ended = server.call("DescribeExecution", {"executionArn": started["executionArn"]})
                if ended["status"] != "RUNNING":
                    break
            took, busy = time.monotonic() - began, server.busy() - busy
            if ended["status"] != "SUCCEEDED":
                sys.exit(f"{ended}")
            key = json.loads(ended["output"])["ResultWriterDetails"]["Key"]
            with open(os.path.join(bucket, key)) as file:
                files = json.load(file)["ResultFiles"]["SUCCEEDED"]
            records = 0
            for file in files:
                path = os.path.join(bucket, file["Key"])
                assert os.path.getsize(path) == file["Size"]
                with open(path) as text:
                    records += text.read().count('"Status":"SUCCEEDED"')
            assert records == rows, f"{records} records of {rows} rows"

            def at(count):
                for (t0, c0), (t1, c1) in zip(marks, marks[1:]):
                    if c1 >= count:
                        return t0 + (t1 - t0) * (count - c0) / max(c1 - c0, 1)
                return marks[-1][0]

            first, last = at(rows / 10), at(rows) - at(rows * 9 / 10)
            tenth = rows / 10 / 1e6
            written = took - at(rows)
            print(
                f"{kind + (' express' if is_express else ''):<16} {rows:>10} {took:>8.2f} s {busy:>8.2f} s {rows / took:>9.0f}/s "
                f"{before:>6.0f} {peak:>6.0f} {server.resident('VmHWM'):>6.0f} MB "
                f"{first / tenth:>8.1f} {last / tenth:>8.1f} µs {written:>7.2f} s",
                flush=True,
            )
        finally:
            server.process.kill()
            server.process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--kind", default="csv")
    parser.add_argument("--rows", default="10000,100000")
    parser.add_argument("--express", action="store_true")
    parser.add_argument("--width", type=int, default=0, help="bytes by which rows are larger")
    arguments = parser.parse_args()
    print("kind                   rows     time        CPU       rate   idle   peak   most     first     last    writing")
    for kind in arguments.kind.split(","):
        for rows in arguments.rows.split(","):
            measure(arguments.program, kind, int(rows), arguments.express, arguments.width)


main()
