// What the tests and pictures of the console look at: state machines and executions, made over the API.

import { createHash, createHmac } from "node:crypto";

const ROLE = "arn:aws:iam::123456789012:role/states";

export class Api {
  constructor(url, key) {
    this.url = url;
    this.key = key;
  }

  async call(operation, input = {}) {
    const headers = { "content-type": "application/x-amz-json-1.0", "x-amz-target": `AWSStepFunctions.${operation}` };
    const body = JSON.stringify(input);
    if (this.key) sign(this.url, headers, body, this.key);
    const response = await fetch(this.url, { method: "POST", headers, body });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${operation}: ${answer.__type}: ${answer.message}`);
    return answer;
  }

  async machine(name, definition, more = {}) {
    const text = typeof definition === "string" ? definition : JSON.stringify(definition, null, 2);
    return (await this.call("CreateStateMachine", { name, definition: text, roleArn: ROLE, ...more })).stateMachineArn;
  }

  async start(stateMachineArn, input = {}, name = undefined) {
    const text = typeof input === "string" ? input : JSON.stringify(input);
    return (await this.call("StartExecution", { stateMachineArn, input: text, ...(name && { name }) })).executionArn;
  }

  async status(executionArn) {
    return (await this.call("DescribeExecution", { executionArn })).status;
  }

  async ends(executionArn, seconds = 120) {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
      const status = await this.status(executionArn);
      if (status !== "RUNNING") return status;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${executionArn} does not end`);
  }
}

/** Signs a request to Step Functions, as AWS does in its fourth version. */
function sign(url, headers, body, { id, secret }) {
  const hash = (text) => createHash("sha256").update(text).digest("hex");
  const mac = (key, text) => createHmac("sha256", key).update(text).digest();
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  headers["x-amz-date"] = date;
  const signed = { ...headers, host: new URL(url).host };
  const names = Object.keys(signed).sort();
  const lines = names.map((name) => `${name}:${signed[name]}\n`).join("");
  const canonical = ["POST", "/", "", lines, names.join(";"), hash(body)].join("\n");
  const scope = `${date.slice(0, 8)}/us-east-1/states/aws4_request`;
  const key = scope.split("/").reduce(mac, `AWS4${secret}`);
  const signature = mac(key, ["AWS4-HMAC-SHA256", date, scope, hash(canonical)].join("\n")).toString("hex");
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${id}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
}

const lambda = (name) => `arn:aws:lambda:us-east-1:123456789012:function:${name}`;

/** A state machine that waits for an approval of large orders. */
export const ORDER = {
  Comment: "Takes an order, charges it and has it delivered.",
  QueryLanguage: "JSONata",
  StartAt: "Check the order",
  States: {
    "Check the order": {
      Type: "Pass",
      Assign: { order: "{% $states.input.order %}", attempt: 1 },
      Output: "{% $states.input %}",
      Next: "How large?",
    },
    "How large?": {
      Type: "Choice",
      Choices: [{ Condition: "{% $states.input.total > 1000 %}", Next: "Wait for approval" }],
      Default: "Charge",
    },
    "Wait for approval": {
      Type: "Task",
      Resource: "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
      Arguments: {
        QueueUrl: "https://sqs.us-east-1.amazonaws.com/123456789012/approvals",
        MessageBody: { token: "{% $states.context.Task.Token %}", order: "{% $order %}" },
      },
      TimeoutSeconds: 86400,
      Next: "Charge",
    },
    Charge: {
      Type: "Task",
      Resource: lambda("charge"),
      Retry: [{ ErrorEquals: ["Lambda.TooManyRequestsException"], MaxAttempts: 3 }],
      Catch: [{ ErrorEquals: ["CardDeclined"], Next: "Tell the customer" }],
      Next: "Deliver",
    },
    "Tell the customer": { Type: "Pass", Next: "Declined" },
    Declined: { Type: "Fail", Error: "CardDeclined", Cause: "The customer's bank has declined the card." },
    Deliver: {
      Type: "Parallel",
      Branches: [
        { StartAt: "Pack", States: { Pack: { Type: "Pass", Next: "Ship" }, Ship: { Type: "Task", Resource: lambda("ship"), End: true } } },
        { StartAt: "Send the invoice", States: { "Send the invoice": { Type: "Pass", End: true } } },
      ],
      Next: "Done",
    },
    Done: { Type: "Succeed" },
  },
};

const IMPORT = {
  Comment: "Reads a file of records and imports each.",
  QueryLanguage: "JSONata",
  StartAt: "Import the records",
  States: {
    "Import the records": {
      Type: "Map",
      Label: "records",
      Items: "{% [1..$states.input.records] %}",
      MaxConcurrency: 40,
      ToleratedFailurePercentage: 20,
      ItemProcessor: {
        ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
        StartAt: "Read the record",
        States: {
          "Read the record": {
            Type: "Pass",
            Output: { number: "{% $states.input %}" },
            Next: "Is it whole?",
          },
          "Is it whole?": {
            Type: "Choice",
            Choices: [{ Condition: "{% $states.input.number % 37 = 0 %}", Next: "Reject" }],
            Default: "Import",
          },
          Reject: { Type: "Fail", Error: "BadRecord", Cause: "{% 'Record ' & $states.input.number & ' has no date.' %}" },
          Import: { Type: "Pass", End: true },
        },
      },
      End: true,
    },
  },
};

const NIGHTLY = (imports) => ({
  QueryLanguage: "JSONata",
  StartAt: "Import",
  States: {
    Import: {
      Type: "Task",
      Resource: "arn:aws:states:::states:startExecution.sync:2",
      Arguments: { StateMachineArn: imports, Input: "{% $states.input %}" },
      Next: "Pause",
    },
    Pause: { Type: "Wait", Seconds: 3600, Next: "Report" },
    Report: { Type: "Pass", End: true },
  },
});

const NESTED_MAP = {
  QueryLanguage: "JSONata",
  StartAt: "Regions",
  States: {
    Regions: {
      Type: "Map",
      Label: "regions",
      Items: "{% ['north', 'south', 'west'] %}",
      ItemProcessor: {
        ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
        StartAt: "Stations",
        States: {
          Stations: {
            Type: "Map",
            Label: "stations",
            Items: "{% [1..6] %}",
            ItemProcessor: {
              ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
              StartAt: "Read the station",
              States: {
                "Read the station": {
                  Type: "Choice",
                  Choices: [{ Condition: "{% $states.input = 4 %}", Next: "No signal" }],
                  Default: "Keep",
                },
                "No signal": { Type: "Fail", Error: "NoSignal", Cause: "The station has not answered for a day." },
                Keep: { Type: "Pass", End: true },
              },
            },
            End: true,
          },
        },
      },
      End: true,
    },
  },
};

const LONG = {
  QueryLanguage: "JSONata",
  StartAt: "Each",
  States: {
    Each: {
      Type: "Map",
      Items: "{% [1..$states.input.items] %}",
      MaxConcurrency: 40,
      ItemProcessor: { StartAt: "Look", States: { Look: { Type: "Pass", End: true } } },
      Output: "{% 'done' %}",
      End: true,
    },
  },
};

const FLAKY = {
  StartAt: "Call",
  States: {
    Call: {
      Type: "Task",
      Resource: lambda("nowhere"),
      Retry: [{ ErrorEquals: ["States.ALL"], IntervalSeconds: 600, MaxAttempts: 3 }],
      End: true,
    },
  },
};

/** Fails, and succeeds when it is tried again. The function prints which attempt it is. */
const PRINTING = {
  StartAt: "Print",
  States: {
    Print: {
      Type: "Task",
      Resource: lambda("print"),
      Retry: [{ ErrorEquals: ["States.ALL"], IntervalSeconds: 1, MaxAttempts: 1 }],
      End: true,
    },
  },
};

const BROKEN = {
  QueryLanguage: "JSONata",
  StartAt: "Prepare",
  States: {
    Prepare: { Type: "Pass", Assign: { customer: "{% $states.input.customer %}" }, Next: "Add up" },
    "Add up": {
      Type: "Pass",
      Output: { total: "{% $sum($states.input.lines.price) + $states.input.shipping.cost.net & $number('x') %}" },
      End: true,
    },
  },
};

/** Names and data that would do harm if they were more than text. */
export const HOSTILE = {
  markup: "<img src=x onerror=alert(1)><script>alert(1)</script>\"'&amp;",
  turned: "safe\u202egnp.exe\u2066",
  nul: "before\u0000after\u0007",
  line: "x".repeat(256 * 1024 - 400),
};

const hostile = {
  QueryLanguage: "JSONata",
  StartAt: "<b>bold</b>",
  States: {
    "<b>bold</b>": { Type: "Pass", Assign: { v: "{% $states.input %}" }, Next: "turn\u202eed" },
    "turn\u202eed": { Type: "Fail", Error: "{% $states.input.markup %}", Cause: "{% $states.input.markup & $states.input.turned & $states.input.nul %}" },
  },
};

/** Makes everything. `sizes` says how long the longest history is and how many children a map run has. */
export async function world(url, sizes = { items: 12_500, children: 1_000 }) {
  const api = new Api(url);
  const machines = {
    order: await api.machine("order", ORDER, { tags: [{ key: "team", value: "shop" }] }),
    import: await api.machine("import", IMPORT),
    stations: await api.machine("stations", NESTED_MAP),
    long: await api.machine("long-history", LONG),
    flaky: await api.machine("flaky", FLAKY),
    broken: await api.machine("invoice", BROKEN),
    printing: await api.machine("printing", PRINTING),
    express: await api.machine("price", { StartAt: "P", States: { P: { Type: "Pass", Result: { price: 7 }, End: true } } }, { type: "EXPRESS" }),
    hostile: await api.machine("hostile", hostile),
  };
  machines.nightly = await api.machine("nightly", NIGHTLY(machines.import));
  await api.call("CreateActivity", { name: "packing" });
  await api.call("PublishStateMachineVersion", { stateMachineArn: machines.order, description: "the first one" });
  const sqs = (operation, input) =>
    fetch(url, {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": `AmazonSQS.${operation}` },
      body: JSON.stringify(input),
    });
  await sqs("CreateQueue", { QueueName: "approvals" });
  const order = (order, total) => ({
    order,
    total,
    customer: { name: "Ada Lovelace", id: 12345678901234567890n.toString(), since: "2019-04-01" },
    lines: [
      { sku: "A-17", pieces: 2, price: 19.9 },
      { sku: "B-4", pieces: 1, price: total },
    ],
    gift: false,
    note: null,
  });
  const executions = {
    succeeded: await api.start(machines.order, order("2026-0041", 59.8), "order-0041"),
    waiting: await api.start(machines.order, order("2026-0042", 4200), "order-0042"),
    retrying: await api.start(machines.flaky, {}, "flaky-1"),
    broken: await api.start(machines.broken, { customer: "c-9", lines: [{ price: 3 }], shipping: {} }, "invoice-7"),
    printing: await api.start(machines.printing, {}, "printing-1"),
    stations: await api.start(machines.stations, {}, "stations-monday"),
    nightly: await api.start(machines.nightly, { records: 120 }, "night-of-the-29th"),
    hostile: await api.start(machines.hostile, HOSTILE, "hostile-1"),
    numbers: await api.start(machines.broken, '{"big": 12345678901234567890123, "small": 1.10}', "numbers"),
    import: await api.start(machines.import, { records: sizes.children }, "import-large"),
    long: await api.start(machines.long, { items: sizes.items }, "long-1"),
  };
  for (const name of ["succeeded", "printing", "broken", "stations", "hostile", "numbers", "import", "long"]) await api.ends(executions[name]);
  return { api, machines, executions };
}
