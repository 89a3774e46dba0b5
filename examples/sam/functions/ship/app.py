"""Writes the invoice to a bucket, and puts the parcel into the queue of the warehouse."""

import json
import os

import boto3


def handler(event, context):
    invoice = f"{event['id']}.json"
    boto3.client("s3").put_object(
        Bucket=os.environ["BUCKET"], Key=invoice, Body=json.dumps(event["price"])
    )
    sent = boto3.client("sqs").send_message(
        QueueUrl=os.environ["QUEUE_URL"], MessageBody=json.dumps({"order": event["id"]})
    )
    print(f"order {event['id']} is on its way")
    return {"invoice": invoice, "parcel": sent["MessageId"]}
