"""The jobs of the pipeline: what the image of the AIBS library would run, as small as can be.

A job is either a handler, as of a Lambda function, whose payload and response are objects:

    AWS_LAMBDA_FUNCTION_HANDLER, AWS_LAMBDA_EVENT_PAYLOAD, AWS_LAMBDA_EVENT_RESPONSE_LOCATION

or an executor, which is told of them by its command:

    run_cli_executor --executor CLASS --input s3://… --output-location s3://…
"""

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

import boto3

s3 = boto3.client("s3")
batch = boto3.client("batch")


def split(uri):
    """`s3://bucket/key` as its bucket and key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def read(uri):
    bucket, key = split(uri)
    return json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])


def write(uri, value):
    bucket, key = split(uri)
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(value))


def files(place):
    """The files below a folder or a prefix, by what follows it."""
    if not place.startswith("s3://"):
        root = Path(place)
        found = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
        return {str(path)[len(place.rstrip("/")) + place.endswith("/") :]: str(path) for path in found}
    bucket, prefix = split(place)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
    return {key[len(prefix):]: f"s3://{bucket}/{key}" for key in keys}


def copy(source, target):
    """Copies a file between folders and buckets."""
    if source.startswith("s3://") and target.startswith("s3://"):
        bucket, key = split(target)
        s3.copy_object(Bucket=bucket, Key=key, CopySource="/".join(split(source)))
    elif source.startswith("s3://"):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(*split(source), target)
    elif target.startswith("s3://"):
        s3.upload_file(source, *split(target))
    else:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def data_sync(request):
    """Copies all files of a place to another one."""
    found = files(request["source_path"])
    for rest, source in found.items():
        copy(source, request["destination_path"] + rest)
    return {"files": len(found)}


def prepare_batch_data_sync(request):
    """Divides the files of a place into requests of a few files each."""
    pairs = [
        {"source_path": source, "destination_path": request["destination_path"] + rest}
        for rest, source in files(request["source_path"]).items()
    ]
    size = request.get("batch_size", 2)
    parts = [pairs[at : at + size] for at in range(0, len(pairs), size)]
    return {"requests": [{"requests": part} for part in parts]}


def batch_data_sync(request):
    for one in request["requests"]:
        copy(one["source_path"], one["destination_path"])
    return {"files": len(request["requests"])}


def outdated_data_paths(request):
    """The files that nobody has read for some days."""
    oldest = time.time() - 86400 * request["days_since_last_accessed"]
    found = files(request["path"]).values()
    return {"paths": [path for path in found if os.stat(path).st_atime < oldest]}


def remove_data_paths(request):
    for path in request["paths"]:
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    return {"removed": len(request["paths"])}


def demand_scaffolding(request):
    """Decides where the inputs and outputs of a demand are, and how its job is made."""
    demand = request["demand_execution"]
    scratch = request["file_system_configurations"]["scratch"]["container_path"]
    folder = f"{scratch}/{demand['execution_id']}"
    inputs = {name: f"{folder}/in/{name}/" for name in demand["inputs"]}
    syncs = [
        {"source_path": demand["inputs"][name], "destination_path": path} for name, path in inputs.items()
    ]
    environment = {**{f"IN_{name}": path for name, path in inputs.items()}, "OUT": f"{folder}/out"}
    result = {"source_path": f"{folder}/out/", "destination_path": demand["output"]}
    return {
        "setup_configs": {
            "data_sync_requests": syncs,
            "batch_create_request": {
                "name": demand["execution_id"],
                "image": demand["execution_image"],
                "command": demand["command"],
                "environment": environment,
            },
        },
        "cleanup_configs": {
            "data_sync_requests": [result],
            "remove_data_paths_requests": [{"paths": [folder]}],
        },
    }


def batch_create(request):
    """Registers the definition of a demand's job."""
    registered = batch.register_job_definition(
        jobDefinitionName=request["name"],
        type="container",
        containerProperties={"image": request["image"], "command": ["true"], "vcpus": 1, "memory": 256},
    )
    environment = [{"Name": name, "Value": value} for name, value in request["environment"].items()]
    return {
        "job_name": request["name"],
        "job_definition_arn": registered["jobDefinitionArn"],
        "job_queue_arn": "dev-aibs-jobs",
        "parameters": {},
        "container_overrides": {"Command": request["command"], "Environment": environment},
    }


def count_words(request):
    return {"words": len(request["text"].split())}


HANDLERS = {
    "aibs_informatics_aws_lambda.handlers.data_sync.data_sync_handler": data_sync,
    "aibs_informatics_aws_lambda.handlers.data_sync.prepare_batch_data_sync_handler": prepare_batch_data_sync,
    "aibs_informatics_aws_lambda.handlers.data_sync.batch_data_sync_handler": batch_data_sync,
    "aibs_informatics_aws_lambda.handlers.data_sync.outdated_data_path_scanner_handler": outdated_data_paths,
    "aibs_informatics_aws_lambda.handlers.data_sync.remove_data_paths_handler": remove_data_paths,
    "aibs_informatics_aws_lambda.handlers.demand.scaffolding.handler": demand_scaffolding,
    "aibs_informatics_aws_lambda.handlers.batch.create.handler": batch_create,
    "pipeline.count_words": count_words,
    "pipeline.WordCount": count_words,
}


def main():
    if sys.argv[1:2] == ["run_cli_executor"]:
        parser = argparse.ArgumentParser()
        for option in ["--executor", "--input", "--output-location"]:
            parser.add_argument(option, required=True)
        given = parser.parse_args(sys.argv[2:])
        handler, request, response = given.executor, given.input, given.output_location
    else:
        handler = os.environ["AWS_LAMBDA_FUNCTION_HANDLER"]
        request = os.environ["AWS_LAMBDA_EVENT_PAYLOAD"]
        response = os.environ["AWS_LAMBDA_EVENT_RESPONSE_LOCATION"]
    result = HANDLERS[handler](read(request))
    print(f"{handler}: {json.dumps(result)}")
    write(response, result)


if __name__ == "__main__":
    main()
