"""A tour of SQS."""

import time

from tour import ANYTHING, Tour, client, error

# What moto does otherwise, and what the documentation of AWS says.
DIFFERS = {
    "create with other attributes": "the message does not name the attribute",
    "create with an unknown attribute": "attributes are not checked",
    "create with a bad attribute": "attributes are not checked",
    "set a bad attribute": "attributes are not checked",
    "visibility of a deleted message": "the handle is called invalid",
    "send nothing": "an empty body is taken",
    "send what XML cannot hold": "every character is taken",
    "an attribute without a type": "it answers 500",
    "an attribute without a value": "an empty value is taken",
    "a group in a standard queue": "a deduplication id is taken",
    "a dead-letter queue that is not there": "another error",
    "it is dead": "DeadLetterQueueSourceArn is missing",
    "move it back": "StartMessageMoveTask is missing",
    "moved": "ListMessageMoveTasks is missing",
    "it is back": "StartMessageMoveTask is missing",
    "send in order": "SequenceNumber is missing in the answer",
    "send twice": "SequenceNumber is missing in the answer",
    "an attempt that is made twice": "ReceiveRequestAttemptId is ignored",
}

tour = Tour(DIFFERS)
sqs = client("sqs", tour.endpoint)
step = tour.step

# Queues.
url = step("create", lambda: sqs.create_queue(QueueName="tour"), {"QueueUrl": ANYTHING})["QueueUrl"]
step("create again", lambda: sqs.create_queue(QueueName="tour"), {"QueueUrl": url})
step(
    "create with other attributes",
    lambda: sqs.create_queue(QueueName="tour", Attributes={"VisibilityTimeout": "31"}),
    error("QueueAlreadyExists", "VisibilityTimeout"),
)
step("create with a bad name", lambda: sqs.create_queue(QueueName="a b"), error("InvalidParameterValue"))
step("create with a long name", lambda: sqs.create_queue(QueueName="q" * 81), error("InvalidParameterValue"))
step(
    "create with an unknown attribute",
    lambda: sqs.create_queue(QueueName="colour", Attributes={"Colour": "blue"}),
    error("InvalidAttributeName", "Colour"),
)
step(
    "create with a bad attribute",
    lambda: sqs.create_queue(QueueName="delay", Attributes={"DelaySeconds": "901"}),
    error("InvalidAttributeValue"),
)
step(
    "create a fifo queue with a plain name",
    lambda: sqs.create_queue(QueueName="plain", Attributes={"FifoQueue": "true"}),
    error("InvalidParameterValue"),
)
step("url", lambda: sqs.get_queue_url(QueueName="tour"), {"QueueUrl": url})
step(
    "url of none",
    lambda: sqs.get_queue_url(QueueName="none"),
    error("AWS.SimpleQueueService.NonExistentQueue", "does not exist"),
)
step(
    "attributes",
    lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]),
    {
        "Attributes": {
            "VisibilityTimeout": "30",
            "DelaySeconds": "0",
            "MessageRetentionPeriod": "345600",
            "ReceiveMessageWaitTimeSeconds": "0",
            "ApproximateNumberOfMessages": "0",
            "ApproximateNumberOfMessagesNotVisible": "0",
            "ApproximateNumberOfMessagesDelayed": "0",
            "QueueArn": "arn:aws:sqs:us-east-1:123456789012:tour",
            "CreatedTimestamp": ANYTHING,
            "LastModifiedTimestamp": ANYTHING,
        }
    },
)
step(
    "an unknown attribute",
    lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Colour"]),
    error("InvalidAttributeName"),
)
step(
    "set attributes",
    lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "2"}),
    {"ResponseMetadata": {"HTTPStatusCode": 200}},
)
step(
    "attributes that were set",
    lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"]),
    {"Attributes": lambda found: found == {"VisibilityTimeout": "2"}},
)
step(
    "set a bad attribute",
    lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "43201"}),
    error("InvalidAttributeValue"),
)

# Messages.
sent = step(
    "send",
    lambda: sqs.send_message(
        QueueUrl=url,
        MessageBody="héllo",
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "v"},
            "number": {"DataType": "Number.int", "StringValue": "7"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
    ),
    {"MessageId": ANYTHING, "MD5OfMessageBody": ANYTHING, "MD5OfMessageAttributes": ANYTHING, "SequenceNumber": None},
)
got = step(
    "receive",
    lambda: sqs.receive_message(
        QueueUrl=url, AttributeNames=["All"], MessageAttributeNames=["All"], WaitTimeSeconds=1
    ),
    {
        "Messages": [
            {
                "Body": "héllo",
                "MD5OfBody": sent.get("MD5OfMessageBody"),
                "MD5OfMessageAttributes": sent.get("MD5OfMessageAttributes"),
                "MessageAttributes": {"bytes": {"BinaryValue": b"\x00\xff", "DataType": "Binary"}},
                "Attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": ANYTHING,
                    "ApproximateFirstReceiveTimestamp": ANYTHING,
                    "SenderId": ANYTHING,
                },
            }
        ]
    },
)
step("nothing more", lambda: sqs.receive_message(QueueUrl=url), {"Messages": None})
handle = got["Messages"][0]["ReceiptHandle"]
step(
    "counts in flight",
    lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]),
    {"Attributes": {"ApproximateNumberOfMessagesNotVisible": "1"}},
)
step(
    "make visible",
    lambda: sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0),
    {"ResponseMetadata": {"HTTPStatusCode": 200}},
)
got = step(
    "receive again",
    lambda: sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"], VisibilityTimeout=60),
    {"Messages": [{"Attributes": {"ApproximateReceiveCount": "2"}, "MessageAttributes": None}]},
)
handle = got["Messages"][0]["ReceiptHandle"]
step(
    "some attributes",
    lambda: (
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0),
        sqs.receive_message(QueueUrl=url, MessageAttributeNames=["te.*", "number"]),
    )[1],
    {"Messages": [{"MessageAttributes": lambda found: sorted(found) == ["number", "text"]}]},
)
step("delete", lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle=handle), {"ResponseMetadata": ANYTHING})
step("delete twice", lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle=handle), {"ResponseMetadata": ANYTHING})
step(
    "delete with nonsense",
    lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle="nonsense"),
    error("ReceiptHandleIsInvalid"),
)
step(
    "visibility of a deleted message",
    lambda: sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=5),
    error("InvalidParameterValue"),
)
bad = sqs.create_queue(QueueName="bad")["QueueUrl"]
step("send nothing", lambda: sqs.send_message(QueueUrl=bad, MessageBody=""), error("MissingParameter", "MessageBody"))
step(
    "send what XML cannot hold",
    lambda: sqs.send_message(QueueUrl=bad, MessageBody="a\x00"),
    error("InvalidMessageContents"),
)
step(
    "send too much",
    lambda: sqs.send_message(QueueUrl=bad, MessageBody="x" * (1024 * 1024 + 1)),
    error("InvalidParameterValue", "shorter than"),
)
step(
    "send to nowhere",
    lambda: sqs.send_message(QueueUrl=url + "-none", MessageBody="x"),
    error("AWS.SimpleQueueService.NonExistentQueue"),
)
step(
    "an attribute without a type",
    lambda: sqs.send_message(QueueUrl=bad, MessageBody="x", MessageAttributes={"a": {"StringValue": "v"}}),
    error("InvalidParameterValue"),
)
step(
    "an attribute without a value",
    lambda: sqs.send_message(
        QueueUrl=bad, MessageBody="x", MessageAttributes={"a": {"DataType": "String", "StringValue": ""}}
    ),
    error("InvalidParameterValue"),
)
step(
    "a group in a standard queue",
    lambda: sqs.send_message(QueueUrl=bad, MessageBody="x", MessageDeduplicationId="d"),
    error("InvalidParameterValue"),
)
step(
    "receive too many",
    lambda: sqs.receive_message(QueueUrl=bad, MaxNumberOfMessages=11),
    error("InvalidParameterValue"),
)
step(
    "wait too long", lambda: sqs.receive_message(QueueUrl=bad, WaitTimeSeconds=21), error("InvalidParameterValue")
)
step(
    "delay too long", lambda: sqs.send_message(QueueUrl=bad, MessageBody="x", DelaySeconds=901), error("InvalidParameterValue")
)

# Delay, and waiting for it.
step("send later", lambda: sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=1), {"MessageId": ANYTHING})
step("not yet", lambda: sqs.receive_message(QueueUrl=url), {"Messages": None})
began = time.time()
got = step(
    "wait for it", lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5), {"Messages": [{"Body": "later"}]}
)
step("not longer than needed", lambda: time.time() - began, lambda seconds: seconds < 3)
sqs.delete_message(QueueUrl=url, ReceiptHandle=got["Messages"][0]["ReceiptHandle"])

# Batches.
step(
    "send a batch",
    lambda: sqs.send_message_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "a", "MessageBody": "1"},
            {"Id": "b", "MessageBody": "2", "DelaySeconds": 901},
            {"Id": "c", "MessageBody": "3", "DelaySeconds": 1},
        ],
    ),
    {
        "Successful": [{"Id": "a", "MD5OfMessageBody": ANYTHING}, {"Id": "c"}],
        "Failed": [{"Id": "b", "SenderFault": True, "Code": "InvalidParameterValue"}],
    },
)
step(
    "an empty batch",
    lambda: sqs.send_message_batch(QueueUrl=url, Entries=[]),
    error("AWS.SimpleQueueService.EmptyBatchRequest"),
)
step(
    "a batch of eleven",
    lambda: sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": "x"} for n in range(11)]),
    error("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "You have sent 11"),
)
step(
    "ids that repeat",
    lambda: sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"}] * 2),
    error("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "a repeated"),
)
step(
    "an id with a space",
    lambda: sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "a b", "MessageBody": "x"}]),
    error("AWS.SimpleQueueService.InvalidBatchEntryId"),
)
step(
    "a batch that is too large",
    lambda: sqs.send_message_batch(
        QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": "x" * 600_000} for n in range(2)]
    ),
    error("AWS.SimpleQueueService.BatchRequestTooLong"),
)
time.sleep(1.1)
got = step(
    "receive several", lambda: sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10), {"Messages": [ANYTHING] * 2}
)
handles = [message["ReceiptHandle"] for message in got["Messages"]]
step(
    "change several",
    lambda: sqs.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[{"Id": str(n), "ReceiptHandle": one, "VisibilityTimeout": 30} for n, one in enumerate(handles)],
    ),
    {"Successful": [{"Id": "0"}, {"Id": "1"}]},
)
step(
    "delete several",
    lambda: sqs.delete_message_batch(
        QueueUrl=url,
        Entries=[{"Id": "0", "ReceiptHandle": handles[0]}, {"Id": "1", "ReceiptHandle": "nonsense"}],
    ),
    {"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "Code": "ReceiptHandleIsInvalid", "SenderFault": True}]},
)
step("purge", lambda: sqs.purge_queue(QueueUrl=url), {"ResponseMetadata": ANYTHING})
step(
    "purged",
    lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]),
    {"Attributes": {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}},
)

# Tags.
step("tag", lambda: sqs.tag_queue(QueueUrl=url, Tags={"a": "1", "b": "2"}), {"ResponseMetadata": ANYTHING})
step("untag", lambda: sqs.untag_queue(QueueUrl=url, TagKeys=["a"]), {"ResponseMetadata": ANYTHING})
step("tags", lambda: sqs.list_queue_tags(QueueUrl=url), {"Tags": lambda found: found == {"b": "2"}})

# Dead letters.
dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
dead_arn = "arn:aws:sqs:us-east-1:123456789012:dead"
policy = '{"deadLetterTargetArn":"%s","maxReceiveCount":"1"}' % dead_arn
step(
    "a dead-letter queue that is not there",
    lambda: sqs.create_queue(QueueName="y", Attributes={"RedrivePolicy": policy.replace(":dead", ":none")}),
    error("InvalidParameterValue"),
)
source = step(
    "create with a dead-letter queue",
    lambda: sqs.create_queue(QueueName="source", Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"}),
    {"QueueUrl": ANYTHING},
)["QueueUrl"]
step(
    "sources", lambda: sqs.list_dead_letter_source_queues(QueueUrl=dead), {"queueUrls": [source]}
)
sqs.send_message(QueueUrl=source, MessageBody="poison")
step("receive once", lambda: sqs.receive_message(QueueUrl=source), {"Messages": [{"Body": "poison"}]})
step("not a second time", lambda: sqs.receive_message(QueueUrl=source), {"Messages": None})
step(
    "it is dead",
    lambda: sqs.receive_message(QueueUrl=dead, AttributeNames=["All"], WaitTimeSeconds=1, VisibilityTimeout=0),
    {
        "Messages": [
            {
                "Body": "poison",
                "Attributes": {
                    "DeadLetterQueueSourceArn": "arn:aws:sqs:us-east-1:123456789012:source",
                },
            }
        ]
    },
)
time.sleep(0.1)
step(
    "move it back",
    lambda: sqs.start_message_move_task(SourceArn=dead_arn),
    {"TaskHandle": ANYTHING},
)
step(
    "moved",
    lambda: (time.sleep(0.2), sqs.list_message_move_tasks(SourceArn=dead_arn))[1],
    {"Results": [{"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 1, "SourceArn": dead_arn}]},
)
step("it is back", lambda: sqs.receive_message(QueueUrl=source, WaitTimeSeconds=1), {"Messages": [{"Body": "poison"}]})

# FIFO queues.
fifo = step(
    "create a fifo queue",
    lambda: sqs.create_queue(
        QueueName="tour.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    ),
    {"QueueUrl": ANYTHING},
)["QueueUrl"]
step("no group", lambda: sqs.send_message(QueueUrl=fifo, MessageBody="x"), error("MissingParameter", "MessageGroupId"))
step(
    "no delay of one message",
    lambda: sqs.send_message(QueueUrl=fifo, MessageBody="x", MessageGroupId="g", DelaySeconds=1),
    error("InvalidParameterValue"),
)
first = step(
    "send in order",
    lambda: sqs.send_message(QueueUrl=fifo, MessageBody="1", MessageGroupId="g"),
    {"SequenceNumber": lambda found: len(found) == 20},
)
step(
    "send twice",
    lambda: sqs.send_message(QueueUrl=fifo, MessageBody="1", MessageGroupId="g"),
    {"MessageId": first.get("MessageId"), "SequenceNumber": first.get("SequenceNumber")},
)
sqs.send_message(QueueUrl=fifo, MessageBody="2", MessageGroupId="g", MessageDeduplicationId="two")
sqs.send_message(QueueUrl=fifo, MessageBody="3", MessageGroupId="h")
got = step(
    "the first of the group",
    lambda: sqs.receive_message(QueueUrl=fifo, AttributeNames=["All"]),
    {"Messages": [{"Body": "1", "Attributes": {"MessageGroupId": "g", "SequenceNumber": first.get("SequenceNumber")}}]},
)
step("the group waits", lambda: sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=10), {"Messages": [{"Body": "3"}]})
sqs.delete_message(QueueUrl=fifo, ReceiptHandle=got["Messages"][0]["ReceiptHandle"])
step(
    "the next of the group",
    lambda: sqs.receive_message(QueueUrl=fifo, AttributeNames=["MessageDeduplicationId"]),
    {"Messages": [{"Body": "2", "Attributes": {"MessageDeduplicationId": "two"}}]},
)
step(
    "an attempt that is made twice",
    lambda: [
        sqs.send_message(QueueUrl=fifo, MessageBody="4", MessageGroupId="i") and None,
        sqs.receive_message(QueueUrl=fifo, ReceiveRequestAttemptId="once")["Messages"][0]["MessageId"],
        sqs.receive_message(QueueUrl=fifo, ReceiveRequestAttemptId="once").get("Messages", [{}])[0].get("MessageId"),
    ],
    lambda found: found[1] == found[2],
)

# Lists.
for number in range(3):
    sqs.create_queue(QueueName=f"list-{number}")
step("list", lambda: sqs.list_queues(QueueNamePrefix="list-"), {"QueueUrls": [ANYTHING] * 3, "NextToken": None})
page = step(
    "a page", lambda: sqs.list_queues(QueueNamePrefix="list-", MaxResults=2), {"QueueUrls": [ANYTHING] * 2, "NextToken": ANYTHING}
)
step(
    "the next page",
    lambda: sqs.list_queues(QueueNamePrefix="list-", MaxResults=2, NextToken=page["NextToken"]),
    {"QueueUrls": [ANYTHING], "NextToken": None},
)
step("delete the queue", lambda: sqs.delete_queue(QueueUrl=url), {"ResponseMetadata": ANYTHING})
step(
    "it is gone",
    lambda: sqs.receive_message(QueueUrl=url),
    error("AWS.SimpleQueueService.NonExistentQueue"),
)
if tour.peer != "moto":
    step(
        "what is not there is refused by name",
        lambda: sqs.add_permission(QueueUrl=fifo, Label="l", AWSAccountIds=["1"], Actions=["*"]),
        error("AWS.SimpleQueueService.UnsupportedOperation", "AddPermission"),
    )
tour.end()
