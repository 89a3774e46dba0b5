"""A tour of EventBridge and SNS, and of what they reach."""

import json
import time

from tour import ANYTHING, Tour, client, error

# What moto does otherwise.
DIFFERS = {
    "a bad filter": "it answers 500",
    "a bad protocol": "every protocol is taken",
    "publish nothing": "an empty message is taken",
    "without a default": "it is taken",
    "an empty batch": "it is taken",
    "publish in order": "the deduplication id is not passed on to the queue",
    "no group": "the error is that of the queue",
    "a bad schedule": "schedules are not checked",
    "all of it": "the account is missing",
    "a part": "InputPath is ignored",
    "a bad detail": "an array is taken",
    "disable": "rules that are disabled still match",
    "test a pattern": "TestEventPattern has no result",
    "from bus to bus": "Input is ignored",
    "to a topic": "it answers 500",
    "a full bus": "a bus with rules is deleted",
    "remove a target": "the bus is gone",
}

tour = Tour(DIFFERS)
sns, sqs, events = (client(name, tour.endpoint) for name in ("sns", "sqs", "events"))
step = tour.step
ACCOUNT = "arn:aws:%s:us-east-1:123456789012:%s"


def queue(name, **attributes):
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, ACCOUNT % ("sqs", name)


def bodies(url, wait=2):
    got = []
    while True:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait).get("Messages", [])
        if not messages:
            return got
        for message in messages:
            got.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        wait = 0


# Topics.
topic = step("create a topic", lambda: sns.create_topic(Name="tour"), {"TopicArn": ACCOUNT % ("sns", "tour")})["TopicArn"]
step("again", lambda: sns.create_topic(Name="tour"), {"TopicArn": topic})
step("a bad name", lambda: sns.create_topic(Name="a b"), error("InvalidParameter"))
step(
    "attributes of a topic",
    lambda: sns.get_topic_attributes(TopicArn=topic),
    {"Attributes": {"TopicArn": topic, "Owner": "123456789012", "SubscriptionsConfirmed": "0", "Policy": ANYTHING}},
)
step("no topic", lambda: sns.get_topic_attributes(TopicArn=topic + "x"), error("NotFound"))
step(
    "set an attribute",
    lambda: (
        sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="Tour"),
        sns.get_topic_attributes(TopicArn=topic),
    )[1],
    {"Attributes": {"DisplayName": "Tour"}},
)
step("topics", lambda: sns.list_topics(), {"Topics": [{"TopicArn": topic}]})

# Subscriptions.
plain, plain_arn = queue("plain")
raw, raw_arn = queue("raw")
some, some_arn = queue("some")
first = step(
    "subscribe", lambda: sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=plain_arn), {"SubscriptionArn": ANYTHING}
)["SubscriptionArn"]
step(
    "subscribe again",
    lambda: sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=plain_arn),
    {"SubscriptionArn": first},
)
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=raw_arn, Attributes={"RawMessageDelivery": "true"})
filtered = sns.subscribe(
    TopicArn=topic,
    Protocol="sqs",
    Endpoint=some_arn,
    Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"kind": ["a", {"prefix": "b"}], "n": [{"numeric": [">", 5]}]})},
)["SubscriptionArn"]
other = sns.create_topic(Name="other")["TopicArn"]
step(
    "a bad filter",
    lambda: sns.subscribe(TopicArn=other, Protocol="sqs", Endpoint=some_arn, Attributes={"FilterPolicy": "{"}),
    error("InvalidParameter"),
)
step("a bad protocol", lambda: sns.subscribe(TopicArn=other, Protocol="pigeon", Endpoint="x"), error("InvalidParameter"))
step(
    "subscriptions",
    lambda: sns.list_subscriptions_by_topic(TopicArn=topic),
    {"Subscriptions": lambda found: {one["Endpoint"] for one in found} == {plain_arn, raw_arn, some_arn}},
)
step(
    "attributes of a subscription",
    lambda: sns.get_subscription_attributes(SubscriptionArn=filtered),
    {"Attributes": {"FilterPolicyScope": "MessageAttributes", "RawMessageDelivery": "true", "Protocol": "sqs", "PendingConfirmation": "false"}},
)


def attributes(**given):
    kinds = {str: "String", int: "Number"}
    return {name: {"DataType": kinds[type(value)], "StringValue": str(value)} for name, value in given.items()}


step("publish", lambda: sns.publish(TopicArn=topic, Message="one", Subject="s"), {"MessageId": ANYTHING})
step(
    "publish what is wanted",
    lambda: sns.publish(TopicArn=topic, Message="two", MessageAttributes=attributes(kind="bee", n=6)),
    {"MessageId": ANYTHING},
)
step(
    "publish what is not",
    lambda: sns.publish(TopicArn=topic, Message="three", MessageAttributes=attributes(kind="a", n=5)),
    {"MessageId": ANYTHING},
)
step("raw", lambda: sorted(bodies(raw)), ["one", "three", "two"])
step("filtered", lambda: bodies(some), ["two"])
step(
    "wrapped",
    lambda: sorted([json.loads(body) for body in bodies(plain)], key=lambda one: one["Message"]),
    [
        {"Type": "Notification", "Message": "one", "Subject": "s", "TopicArn": topic, "MessageId": ANYTHING, "Timestamp": ANYTHING, "MessageAttributes": None},
        {"Message": "three"},
        {"Message": "two", "MessageAttributes": {"kind": {"Type": "String", "Value": "bee"}, "n": {"Type": "Number", "Value": "6"}}},
    ],
)
step(
    "filter by body",
    lambda: (
        sns.set_subscription_attributes(SubscriptionArn=filtered, AttributeName="FilterPolicyScope", AttributeValue="MessageBody"),
        sns.set_subscription_attributes(
            SubscriptionArn=filtered, AttributeName="FilterPolicy", AttributeValue=json.dumps({"a": {"b": [{"exists": True}]}})
        ),
        sns.publish(TopicArn=topic, Message='{"a": {"b": 1}}'),
        sns.publish(TopicArn=topic, Message='{"a": 1}'),
        bodies(some),
    )[-1],
    ['{"a": {"b": 1}}'],
)
step("publish nothing", lambda: sns.publish(TopicArn=topic, Message=""), error("InvalidParameter"))
step("publish nowhere", lambda: sns.publish(TopicArn=topic + "x", Message="m"), error("NotFound"))
step(
    "by protocol",
    lambda: (
        sns.publish(TopicArn=topic, MessageStructure="json", Message=json.dumps({"default": "d", "sqs": "for sqs"})),
        bodies(raw)[-1],
    )[-1],
    "for sqs",
)
step(
    "without a default",
    lambda: sns.publish(TopicArn=topic, MessageStructure="json", Message=json.dumps({"sqs": "x"})),
    error("InvalidParameter"),
)
step(
    "a batch",
    lambda: sns.publish_batch(
        TopicArn=topic, PublishBatchRequestEntries=[{"Id": "1", "Message": "x"}, {"Id": "2", "Message": "y"}]
    ),
    {"Successful": [{"Id": "1", "MessageId": ANYTHING}, {"Id": "2"}]},
)
step("an empty batch", lambda: sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[]), error("EmptyBatchRequest"))
step("unsubscribe", lambda: sns.unsubscribe(SubscriptionArn=filtered), {"ResponseMetadata": ANYTHING})
fifo_topic = sns.create_topic(Name="tour.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"})["TopicArn"]
fifo, fifo_arn = queue("t.fifo", FifoQueue="true")
sns.subscribe(TopicArn=fifo_topic, Protocol="sqs", Endpoint=fifo_arn, Attributes={"RawMessageDelivery": "true"})
step(
    "publish in order",
    lambda: (
        sns.publish(TopicArn=fifo_topic, Message="1", MessageGroupId="g"),
        sns.publish(TopicArn=fifo_topic, Message="2", MessageGroupId="g"),
        sns.publish(TopicArn=fifo_topic, Message="1", MessageGroupId="g"),
        bodies(fifo),
    )[-1],
    ["1", "2"],
)
step("no group", lambda: sns.publish(TopicArn=fifo_topic, Message="1"), error("InvalidParameter"))
step(
    "tags of a topic",
    lambda: (
        sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": "b"}]),
        sns.list_tags_for_resource(ResourceArn=topic),
    )[1],
    {"Tags": [{"Key": "a", "Value": "b"}]},
)

# Rules.
for url in (plain, raw, some):
    sqs.purge_queue(QueueUrl=url)
step(
    "put a rule",
    lambda: events.put_rule(Name="orders", EventPattern=json.dumps({"source": ["shop"], "detail": {"n": [{"numeric": [">", 5]}]}})),
    {"RuleArn": ACCOUNT % ("events", "rule/orders")},
)
step("a bad pattern", lambda: events.put_rule(Name="bad", EventPattern='{"a": "b"}'), error("InvalidEventPatternException"))
step("a bad schedule", lambda: events.put_rule(Name="bad", ScheduleExpression="rate(1 hours)"), error("ValidationException"))
step("neither", lambda: events.put_rule(Name="bad"), error("ValidationException"))
step(
    "put targets",
    lambda: events.put_targets(
        Rule="orders",
        Targets=[
            {"Id": "all", "Arn": raw_arn},
            {"Id": "part", "Arn": some_arn, "InputPath": "$.detail"},
            {
                "Id": "filled",
                "Arn": plain_arn,
                "InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": '{"number": <n>, "text": "n is <n>"}'},
            },
        ],
    ),
    {"FailedEntryCount": 0},
)
step("targets", lambda: events.list_targets_by_rule(Rule="orders"), {"Targets": [ANYTHING] * 3})
step("no rule", lambda: events.put_targets(Rule="none", Targets=[{"Id": "1", "Arn": raw_arn}]), error("ResourceNotFoundException"))
step("describe", lambda: events.describe_rule(Name="orders"), {"Name": "orders", "State": "ENABLED", "EventPattern": ANYTHING})
step("rules", lambda: events.list_rules(NamePrefix="or"), {"Rules": [{"Name": "orders"}]})
step("rules of a target", lambda: events.list_rule_names_by_target(TargetArn=raw_arn), {"RuleNames": ["orders"]})


def put(**given):
    return events.put_events(Entries=[given])


step(
    "put events",
    lambda: events.put_events(
        Entries=[
            {"Source": "shop", "DetailType": "Order", "Detail": '{"n": 7}', "Resources": ["r"]},
            {"Source": "shop", "DetailType": "Order", "Detail": '{"n": 1}'},
            {"Source": "other", "DetailType": "Order", "Detail": '{"n": 7}'},
        ]
    ),
    {"FailedEntryCount": 0, "Entries": [{"EventId": ANYTHING}] * 3},
)
step(
    "all of it",
    lambda: [json.loads(body) for body in bodies(raw)],
    [
        {
            "version": "0",
            "id": ANYTHING,
            "detail-type": "Order",
            "source": "shop",
            "account": "123456789012",
            "time": ANYTHING,
            "region": "us-east-1",
            "resources": ["r"],
            "detail": {"n": 7},
        }
    ],
)
step("a part", lambda: [json.loads(body) for body in bodies(some)], [{"n": 7}])
step("filled in", lambda: [json.loads(body) for body in bodies(plain)], [{"number": 7, "text": "n is 7"}])
step("no detail", lambda: put(Source="s", DetailType="d"), {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InvalidArgument"}]})
step(
    "a bad detail",
    lambda: put(Source="s", DetailType="d", Detail="[]"),
    {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "MalformedDetail"}]},
)
step("disable", lambda: (events.disable_rule(Name="orders"), put(Source="shop", DetailType="d", Detail='{"n": 9}'), bodies(raw, 0))[-1], [])
step("enable", lambda: events.enable_rule(Name="orders"), {"ResponseMetadata": ANYTHING})
step(
    "test a pattern",
    lambda: events.test_event_pattern(
        EventPattern='{"source": [{"wildcard": "sh*"}]}',
        Event=json.dumps(
            {"id": "1", "account": "1", "source": "shop", "time": "t", "region": "r", "resources": [], "detail-type": "d", "detail": {}}
        ),
    ),
    {"Result": True},
)
step("delete with targets", lambda: events.delete_rule(Name="orders"), error("ValidationException"))

# Buses.
bus = step("create a bus", lambda: events.create_event_bus(Name="mine"), {"EventBusArn": ACCOUNT % ("events", "event-bus/mine")})[
    "EventBusArn"
]
step("a bus twice", lambda: events.create_event_bus(Name="mine"), error("ResourceAlreadyExistsException"))
step("buses", lambda: events.list_event_buses(), {"EventBuses": lambda found: {one["Name"] for one in found} == {"default", "mine"}})
events.put_rule(Name="here", EventBusName="mine", EventPattern='{"source": ["shop"]}')
events.put_targets(Rule="here", EventBusName="mine", Targets=[{"Id": "1", "Arn": some_arn, "Input": '"fixed"'}])
events.put_rule(Name="there", EventPattern='{"source": ["shop"], "detail-type": ["Pass on"]}')
events.put_targets(Rule="there", Targets=[{"Id": "1", "Arn": bus}])
step("from bus to bus", lambda: (put(Source="shop", DetailType="Pass on", Detail="{}"), bodies(some))[-1], ['"fixed"'])
step("to a topic", lambda: (
    events.put_rule(Name="topic", EventPattern='{"source": ["press"]}'),
    events.put_targets(Rule="topic", Targets=[{"Id": "1", "Arn": topic, "InputPath": "$.detail.news"}]),
    put(Source="press", DetailType="d", Detail='{"news": "new"}'),
    bodies(raw),
)[-1], ['"new"'])
step("a full bus", lambda: events.delete_event_bus(Name="mine"), error("ValidationException"))
step(
    "remove a target",
    lambda: events.remove_targets(Rule="here", EventBusName="mine", Ids=["1"]),
    {"FailedEntryCount": 0},
)
step("delete the rule", lambda: events.delete_rule(Name="here", EventBusName="mine"), {"ResponseMetadata": ANYTHING})
step("delete the bus", lambda: events.delete_event_bus(Name="mine"), {"ResponseMetadata": ANYTHING})
step("no bus", lambda: events.describe_event_bus(Name="mine"), error("ResourceNotFoundException"))

if tour.peer != "moto":
    # Events of objects.
    s3 = client("s3", tour.endpoint)
    s3.create_bucket(Bucket="told")
    s3.put_bucket_notification_configuration(Bucket="told", NotificationConfiguration={"EventBridgeConfiguration": {}})
    events.put_rule(Name="objects", EventPattern=json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": ["told"]}}}))
    events.put_targets(Rule="objects", Targets=[{"Id": "1", "Arn": some_arn}])
    step(
        "an object was made",
        lambda: (s3.put_object(Bucket="told", Key="k", Body=b"xy"), [json.loads(body) for body in bodies(some)])[1],
        [{"detail-type": "Object Created", "detail": {"object": {"key": "k", "size": 2}, "reason": "PutObject"}}],
    )
    # Executions: started by rules, and told of.
    states = client("stepfunctions", tour.endpoint)
    machine = states.create_state_machine(
        name="echo",
        roleArn="arn:aws:iam::123456789012:role/r",
        definition='{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}',
    )["stateMachineArn"]
    events.put_rule(Name="start", EventPattern='{"source": ["go"]}')
    events.put_targets(Rule="start", Targets=[{"Id": "1", "Arn": machine, "InputPath": "$.detail", "RoleArn": "arn:aws:iam::1:role/x"}])
    events.put_rule(
        Name="ended", EventPattern=json.dumps({"source": ["aws.states"], "detail": {"status": ["SUCCEEDED"], "stateMachineArn": [machine]}})
    )
    events.put_targets(Rule="ended", Targets=[{"Id": "1", "Arn": some_arn}])
    step(
        "an execution was started, and its end is told",
        lambda: (put(Source="go", DetailType="d", Detail='{"x": 1}'), [json.loads(body) for body in bodies(some, 5)])[1],
        [
            {
                "detail-type": "Step Functions Execution Status Change",
                "detail": {"status": "SUCCEEDED", "input": '{"x":1}', "output": '{"x":1}', "stopDate": ANYTHING, "name": ANYTHING},
            }
        ],
    )
    step(
        "a target that is not there",
        lambda: events.put_targets(Rule="start", Targets=[{"Id": "k", "Arn": "arn:aws:kinesis:us-east-1:1:stream/s"}]),
        error("UnsupportedOperation", "kinesis"),
    )
    step(
        "what is not there is refused by name",
        lambda: events.create_archive(ArchiveName="a", EventSourceArn=ACCOUNT % ("events", "event-bus/default")),
        error("UnsupportedOperation", "CreateArchive"),
    )
    step(
        "so is it by SNS",
        lambda: sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+123"),
        error("UnsupportedOperation", "sms"),
    )
tour.end()
