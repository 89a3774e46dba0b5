// A tour of the local services with the SDK for JavaScript: `node services.mjs ENDPOINT`. The SDK is looked
// up in the folder of SDK_FOLDER. One line for each call; the first wrong answer ends it.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

const require = createRequire(`${process.env.SDK_FOLDER ?? process.cwd()}/`);
const settings = {
  endpoint: process.argv[2],
  region: "us-east-1",
  credentials: { accessKeyId: "tour", secretAccessKey: "tour" },
  maxAttempts: 1,
};

/** A client, and how it calls its operations and is refused. */
function service(name, Client, more = {}) {
  const sdk = require(`@aws-sdk/client-${name}`);
  const client = new sdk[Client]({ ...settings, ...more });
  const send = (operation, input) => client.send(new sdk[`${operation}Command`](input));
  return {
    async call(operation, input) {
      const answer = await send(operation, input);
      console.log(`${name} ${operation}: answered`);
      return answer;
    },
    async refused(error, operation, input) {
      await assert.rejects(send(operation, input), (thrown) => thrown.name === error, operation);
      console.log(`${name} ${operation}: refused with ${error}`);
    },
  };
}

const sqs = service("sqs", "SQSClient");
const queue = (await sqs.call("CreateQueue", { QueueName: "js.fifo", Attributes: { FifoQueue: "true" } })).QueueUrl;
const message = { MessageGroupId: "g", MessageDeduplicationId: "1", MessageBody: "é" };
const sent = await sqs.call("SendMessage", { QueueUrl: queue, ...message });
assert.equal((await sqs.call("SendMessage", { QueueUrl: queue, ...message })).MessageId, sent.MessageId);
const { Messages } = await sqs.call("ReceiveMessage", { QueueUrl: queue, AttributeNames: ["All"] });
assert.equal(Messages.length, 1);
assert.equal(Messages[0].Attributes.MessageGroupId, "g");
await sqs.call("DeleteMessage", { QueueUrl: queue, ReceiptHandle: Messages[0].ReceiptHandle });
await sqs.refused("QueueDoesNotExist", "GetQueueUrl", { QueueName: "nowhere" });

const sns = service("sns", "SNSClient");
const plain = (await sqs.call("CreateQueue", { QueueName: "js" })).QueueUrl;
const { TopicArn } = await sns.call("CreateTopic", { Name: "js" });
const arn = "arn:aws:sqs:us-east-1:123456789012:js";
await sns.call("Subscribe", {
  TopicArn,
  Protocol: "sqs",
  Endpoint: arn,
  Attributes: { FilterPolicy: '{"kind": ["order"]}' },
});
const attributes = (kind) => ({ kind: { DataType: "String", StringValue: kind } });
await sns.call("Publish", { TopicArn, Message: "no", MessageAttributes: attributes("other") });
await sns.call("Publish", { TopicArn, Message: "yes", MessageAttributes: attributes("order") });
const told = await sqs.call("ReceiveMessage", { QueueUrl: plain, WaitTimeSeconds: 5 });
assert.equal(JSON.parse(told.Messages[0].Body).Message, "yes");
await sns.refused("NotFoundException", "GetTopicAttributes", { TopicArn: `${TopicArn}x` });

const s3 = service("s3", "S3Client", { forcePathStyle: true });
const Bucket = "js-bucket";
await s3.call("CreateBucket", { Bucket });
await s3.call("PutObject", { Bucket, Key: "a b/ü.json", Body: '{"a": 1}', Metadata: { kind: "test" } });
const object = await s3.call("GetObject", { Bucket, Key: "a b/ü.json" });
assert.equal(await object.Body.transformToString(), '{"a": 1}');
assert.equal(object.Metadata.kind, "test");
const listed = await s3.call("ListObjectsV2", { Bucket, Delimiter: "/" });
assert.deepEqual(listed.CommonPrefixes.map((one) => one.Prefix), ["a b/"]);
await s3.refused("NoSuchKey", "GetObject", { Bucket, Key: "nowhere" });
await s3.refused("NotFound", "HeadObject", { Bucket, Key: "nowhere" });

const dynamodb = service("dynamodb", "DynamoDBClient");
const TableName = "js-table";
await dynamodb.call("CreateTable", {
  TableName,
  BillingMode: "PAY_PER_REQUEST",
  AttributeDefinitions: [
    { AttributeName: "id", AttributeType: "S" },
    { AttributeName: "at", AttributeType: "N" },
  ],
  KeySchema: [
    { AttributeName: "id", KeyType: "HASH" },
    { AttributeName: "at", KeyType: "RANGE" },
  ],
});
for (const at of ["1", "2", "10"]) {
  await dynamodb.call("PutItem", { TableName, Item: { id: { S: "a" }, at: { N: at } } });
}
const found = await dynamodb.call("Query", {
  TableName,
  KeyConditionExpression: "id = :id AND #at > :one",
  ExpressionAttributeNames: { "#at": "at" },
  ExpressionAttributeValues: { ":id": { S: "a" }, ":one": { N: "1" } },
  ScanIndexForward: false,
});
assert.deepEqual(found.Items.map((item) => item.at.N), ["10", "2"]);
await dynamodb.refused("TransactionCanceledException", "TransactWriteItems", {
  TransactItems: [
    { Put: { TableName, Item: { id: { S: "b" }, at: { N: "1" } } } },
    {
      ConditionCheck: {
        TableName,
        Key: { id: { S: "a" }, at: { N: "1" } },
        ConditionExpression: "attribute_not_exists(id)",
      },
    },
  ],
});
await dynamodb.refused("ResourceNotFoundException", "GetItem", { TableName: "nowhere", Key: { id: { S: "a" } } });

const events = service("eventbridge", "EventBridgeClient");
await events.call("PutRule", { Name: "js", EventPattern: '{"detail": {"total": [{"numeric": [">", 5]}]}}' });
await events.call("PutTargets", { Rule: "js", Targets: [{ Id: "1", Arn: arn, InputPath: "$.detail" }] });
const entries = [4, 6].map((total) => ({ Source: "js", DetailType: "told", Detail: JSON.stringify({ total }) }));
assert.equal((await events.call("PutEvents", { Entries: entries })).FailedEntryCount, 0);
const event = await sqs.call("ReceiveMessage", { QueueUrl: plain, WaitTimeSeconds: 5 });
assert.deepEqual(JSON.parse(event.Messages[0].Body), { total: 6 });
await events.refused("ResourceNotFoundException", "DescribeRule", { Name: "nowhere" });

const ssm = service("ssm", "SSMClient");
await ssm.call("PutParameter", { Name: "/js/a", Value: "1", Type: "String" });
await ssm.call("PutParameter", { Name: "/js/a", Value: "2", Type: "String", Overwrite: true });
assert.equal((await ssm.call("GetParameter", { Name: "/js/a:1" })).Parameter.Value, "1");
await ssm.refused("ParameterAlreadyExists", "PutParameter", { Name: "/js/a", Value: "3", Type: "String" });

const secrets = service("secrets-manager", "SecretsManagerClient");
await secrets.call("CreateSecret", { Name: "js", SecretBinary: new Uint8Array([0, 255]) });
const secret = await secrets.call("GetSecretValue", { SecretId: "js" });
assert.deepEqual([...secret.SecretBinary], [0, 255]);
await secrets.refused("ResourceExistsException", "CreateSecret", { Name: "js", SecretString: "s" });

const batch = service("batch", "BatchClient");
await batch.call("CreateComputeEnvironment", { computeEnvironmentName: "js", type: "UNMANAGED" });
await batch.call("CreateJobQueue", {
  jobQueueName: "js",
  priority: 1,
  computeEnvironmentOrder: [{ order: 1, computeEnvironment: "js" }],
});
await batch.call("RegisterJobDefinition", {
  jobDefinitionName: "js",
  type: "container",
  containerProperties: { image: "any", command: ["sh", "-c", "exit 3"], vcpus: 1, memory: 128 },
});
const { jobId } = await batch.call("SubmitJob", { jobName: "js", jobQueue: "js", jobDefinition: "js" });
let job = {};
for (let tries = 0; tries < 100 && !["FAILED", "SUCCEEDED"].includes(job.status); tries++) {
  await sleep(100);
  job = (await batch.call("DescribeJobs", { jobs: [jobId] })).jobs[0];
}
assert.equal(job.status, "FAILED");
assert.equal(job.container.exitCode, 3);

const ecs = service("ecs", "ECSClient");
await ecs.call("RegisterTaskDefinition", {
  family: "js",
  containerDefinitions: [{ name: "main", image: "any", command: ["true"], memory: 128 }],
});
const { tasks } = await ecs.call("RunTask", { taskDefinition: "js" });
let task = {};
for (let tries = 0; tries < 100 && task.lastStatus !== "STOPPED"; tries++) {
  await sleep(100);
  task = (await ecs.call("DescribeTasks", { tasks: [tasks[0].taskArn] })).tasks[0];
}
assert.equal(task.containers[0].exitCode, 0);
await ecs.refused("ClientException", "DescribeTaskDefinition", { taskDefinition: "nowhere" });
