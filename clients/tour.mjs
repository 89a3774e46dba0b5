// A tour of the Step Functions API with @aws-sdk/client-sfn: `node tour.mjs ENDPOINT`.
// The SDK is looked up in the folder of SDK_FOLDER. The server keeps nothing yet. One line for each
// operation; the first wrong answer ends it.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

const require = createRequire(`${process.env.SDK_FOLDER ?? process.cwd()}/`);
const sdk = require("@aws-sdk/client-sfn");

const client = new sdk.SFNClient({
  endpoint: process.argv[2],
  region: "us-east-1",
  credentials: { accessKeyId: "tour", secretAccessKey: "tour" },
  disableHostPrefix: true,
  maxAttempts: 1,
});
const toured = new Set();

/** Calls an operation by its name, and says so the first time. */
async function call(operation, input) {
  const answer = await client.send(new sdk[`${operation}Command`](input));
  if (!toured.has(operation)) {
    toured.add(operation);
    console.log(`${operation}: answered`);
  }
  return answer;
}

/** The call throws this modelled exception. */
async function refused(error, operation, input) {
  await assert.rejects(
    client.send(new sdk[`${operation}Command`](input)),
    (thrown) => thrown instanceof sdk[error] && thrown.name === error && thrown.message !== "",
    `${operation} was to be refused with ${error}`,
  );
}

async function end(executionArn) {
  for (let round = 0; round < 400; round++) {
    const described = await call("DescribeExecution", { executionArn });
    if (described.status !== "RUNNING") return described;
    await sleep(50);
  }
  throw new Error(`${executionArn} does not end`);
}

const roleArn = "arn:aws:iam::123456789012:role/tour";
const machine = (state) => JSON.stringify({ StartAt: "S", States: { S: { End: true, ...state } } });
const pass = machine({ Type: "Pass" });
const wait = machine({ Type: "Wait", Seconds: 3600 });

// State machines.
const made = await call("CreateStateMachine", { name: "js", definition: pass, roleArn });
const arn = made.stateMachineArn;
assert.ok(made.creationDate instanceof Date && Math.abs(made.creationDate - Date.now()) < 60_000);
await refused("StateMachineAlreadyExists", "CreateStateMachine", { name: "js", definition: wait, roleArn });
await refused("InvalidDefinition", "CreateStateMachine", { name: "bad", definition: "{}", roleArn });
const described = await call("DescribeStateMachine", { stateMachineArn: arn });
assert.deepEqual([described.status, described.type, described.definition], ["ACTIVE", "STANDARD", pass]);
await refused("StateMachineDoesNotExist", "DescribeStateMachine", { stateMachineArn: `${arn}x` });
const express = await call("CreateStateMachine", { name: "express", type: "EXPRESS", definition: pass, roleArn });
const names = [];
for await (const page of sdk.paginateListStateMachines({ client, pageSize: 1 }, {})) {
  names.push(...page.stateMachines.map((item) => item.name));
}
assert.deepEqual(names.sort(), ["express", "js"]);
assert.equal((await call("ListStateMachines", {})).stateMachines.length, 2);
assert.equal((await call("ValidateStateMachineDefinition", { definition: "{}" })).result, "FAIL");
await call("TagResource", { resourceArn: arn, tags: [{ key: "a", value: "1" }, { key: "b", value: "2" }] });
await call("UntagResource", { resourceArn: arn, tagKeys: ["b"] });
assert.deepEqual((await call("ListTagsForResource", { resourceArn: arn })).tags, [{ key: "a", value: "1" }]);

// Versions and aliases.
const one = (await call("PublishStateMachineVersion", { stateMachineArn: arn })).stateMachineVersionArn;
const updated = await call("UpdateStateMachine", { stateMachineArn: arn, definition: wait, publish: true });
const two = updated.stateMachineVersionArn;
const versions = await call("ListStateMachineVersions", { stateMachineArn: arn });
assert.deepEqual(versions.stateMachineVersions.map((item) => item.stateMachineVersionArn), [two, one]);
const routes = (first) => [
  { stateMachineVersionArn: one, weight: first },
  { stateMachineVersionArn: two, weight: 100 - first },
];
const routingConfiguration = routes(60);
const alias = (await call("CreateStateMachineAlias", { name: "live", routingConfiguration })).stateMachineAliasArn;
await call("UpdateStateMachineAlias", { stateMachineAliasArn: alias, routingConfiguration: routes(10) });
const live = await call("DescribeStateMachineAlias", { stateMachineAliasArn: alias });
assert.deepEqual(live.routingConfiguration, routes(10));
assert.equal((await call("ListStateMachineAliases", { stateMachineArn: arn })).stateMachineAliases.length, 1);
await refused("ConflictException", "DeleteStateMachineVersion", { stateMachineVersionArn: one });
await call("DeleteStateMachineAlias", { stateMachineAliasArn: alias });

// Executions.
const { executionArn } = await call("StartExecution", { stateMachineArn: one, name: "first", input: '{"a":1}' });
const ended = await end(executionArn);
assert.deepEqual([ended.status, ended.output], ["SUCCEEDED", '{"a":1}']);
assert.ok(ended.stopDate >= ended.startDate);
assert.equal((await call("DescribeStateMachineForExecution", { executionArn })).definition, pass);
const history = await call("GetExecutionHistory", { executionArn, reverseOrder: true });
assert.deepEqual(history.events.map((event) => event.id), [4, 3, 2, 1]);
assert.equal(history.events[3].executionStartedEventDetails.input, '{"a":1}');
const second = await call("StartExecution", { stateMachineArn: arn });
const running = await call("ListExecutions", { stateMachineArn: arn, statusFilter: "RUNNING" });
assert.deepEqual(running.executions.map((item) => item.executionArn), [second.executionArn]);
await call("StopExecution", { executionArn: second.executionArn, error: "Enough" });
assert.equal((await end(second.executionArn)).error, "Enough");
await call("RedriveExecution", { executionArn: second.executionArn });
assert.equal((await call("DescribeExecution", { executionArn: second.executionArn })).redriveCount, 1);
await call("StopExecution", { executionArn: second.executionArn });
await refused("ExecutionNotRedrivable", "RedriveExecution", { executionArn });
await call("DeleteStateMachineVersion", { stateMachineVersionArn: one });
const now = await call("StartSyncExecution", { stateMachineArn: express.stateMachineArn, input: "[1]" });
assert.deepEqual([now.status, now.output], ["SUCCEEDED", "[1]"]);
const tested = await call("TestState", {
  definition: '{"Type":"Wait","Seconds":31536000,"Next":"N"}', inspectionLevel: "TRACE", input: '{"a":1}',
});
assert.deepEqual([tested.status, tested.nextState, tested.output], ["SUCCEEDED", "N", '{"a":1}']);
assert.equal(tested.inspectionData.afterInputPath, '{"a":1}');

// Map runs.
const ItemProcessor = {
  ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
  StartAt: "W",
  States: { W: { Type: "Wait", SecondsPath: "$", End: true } },
};
const items = await call("CreateStateMachine", {
  name: "items", roleArn, definition: machine({ Type: "Map", ItemProcessor }),
});
const parent = await call("StartExecution", { stateMachineArn: items.stateMachineArn, input: "[1,1]" });
let runs = [];
while (runs.length === 0) {
  runs = (await call("ListMapRuns", { executionArn: parent.executionArn })).mapRuns;
}
const { mapRunArn } = runs[0];
await call("UpdateMapRun", { mapRunArn, maxConcurrency: 2 });
assert.equal((await call("DescribeMapRun", { mapRunArn })).maxConcurrency, 2);
assert.equal((await end(parent.executionArn)).output, "[1,1]");
assert.equal((await call("DescribeMapRun", { mapRunArn })).itemCounts.succeeded, 2);

// Activities and task tokens.
const { activityArn } = await call("CreateActivity", { name: "js" });
assert.equal((await call("DescribeActivity", { activityArn })).name, "js");
assert.equal((await call("ListActivities", {})).activities.length, 1);
const worker = await call("CreateStateMachine", {
  name: "worker", roleArn, definition: machine({ Type: "Task", Resource: activityArn }),
});
const good = await call("StartExecution", { stateMachineArn: worker.stateMachineArn });
let { taskToken } = await call("GetActivityTask", { activityArn });
await call("SendTaskHeartbeat", { taskToken });
await call("SendTaskSuccess", { taskToken, output: "7" });
assert.equal((await end(good.executionArn)).output, "7");
await refused("InvalidToken", "SendTaskHeartbeat", { taskToken: "forged" });
const broken = await call("StartExecution", { stateMachineArn: worker.stateMachineArn });
({ taskToken } = await call("GetActivityTask", { activityArn }));
await call("SendTaskFailure", { taskToken, error: "Broken" });
assert.equal((await end(broken.executionArn)).error, "Broken");
await call("DeleteActivity", { activityArn });
await refused("ActivityDoesNotExist", "DescribeActivity", { activityArn });
await call("DeleteStateMachine", { stateMachineArn: worker.stateMachineArn });

// `$Command` is the SDK's own class.
const operations = Object.keys(sdk).filter((name) => /^[A-Z]\w+Command$/.test(name));
const missed = operations.filter((name) => !toured.has(name.slice(0, -"Command".length)));
assert.deepEqual(missed, []);
console.log(`${toured.size} operations`);
