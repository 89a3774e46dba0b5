// Runs a JavaScript handler over the Lambda Runtime API, with nothing but Node.js itself.
"use strict";
const http = require("node:http");
const fs = require("node:fs");
const path = require("node:path");
const util = require("node:util");
const { createRequire } = require("node:module");
const { pathToFileURL } = require("node:url");

const PREFIX = "/2018-06-01/runtime";
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
// One connection that stays open, and that does not keep the process alive between requests.
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, route, body, headers) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) };
    const request = http.request(
      { host, port, method, path: PREFIX + route, agent, headers: { ...headers, ...length } },
      (response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) });
        });
      },
    );
    request.setNoDelay(true);
    request.on("error", reject);
    request.end(body);
  });
}

// Whoever ran this is gone.
const gone = () => process.exit(1);

function named(errorType, message) {
  const error = new Error(message);
  error.name = errorType;
  return error;
}

function describe(error) {
  if (error instanceof Error || util.types.isNativeError(error)) {
    return { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? "").split("\n") };
  }
  const isText = typeof error === "string";
  return { errorType: typeof error, errorMessage: isText ? error : String(error), trace: [] };
}

const post = (route, description) =>
  call("POST", route, JSON.stringify(description), {
    "Content-Type": "application/json",
    "Lambda-Runtime-Function-Error-Type": String(description.errorType).replace(/[^\x20-\x7e]/g, "?"),
  });

let current = null;

for (const [method, level] of [
  ["log", "INFO"], ["info", "INFO"], ["warn", "WARN"], ["error", "ERROR"], ["debug", "DEBUG"], ["trace", "TRACE"],
]) {
  console[method] = (...values) => {
    const id = current?.id ?? "undefined";
    process.stdout.write(`${new Date().toISOString()}\t${id}\t${level}\t${util.format(...values)}\n`);
  };
}

async function load(name) {
  const root = process.env.LAMBDA_TASK_ROOT;
  const folder = path.dirname(name);
  const parts = /^([^.]*)\.(.*)$/.exec(path.basename(name));
  if (!parts) throw named("Runtime.MalformedHandlerName", "Bad handler");
  const stem = path.resolve(root, folder, parts[1]);
  const found = ["", ".js", ".mjs", ".cjs"].map((ending) => stem + ending)
    .find((file) => fs.existsSync(file) && fs.statSync(file).isFile());
  if (!found) {
    throw named("Runtime.ImportModuleError", `Error: Cannot find module '${path.join(folder, parts[1])}'`);
  }
  let module;
  try {
    if (found.endsWith(".mjs")) {
      module = await import(pathToFileURL(found));
    } else {
      try {
        module = createRequire(found)(found);
      } catch (error) {
        if (error?.code !== "ERR_REQUIRE_ESM" && error?.code !== "ERR_REQUIRE_ASYNC_MODULE") throw error;
        module = await import(pathToFileURL(found));
      }
    }
  } catch (error) {
    if (error instanceof SyntaxError) throw named("Runtime.UserCodeSyntaxError", `SyntaxError: ${error.message}`);
    if (error?.code === "MODULE_NOT_FOUND" || error?.code === "ERR_MODULE_NOT_FOUND") {
      throw named("Runtime.ImportModuleError", `Error: ${error.message}`);
    }
    throw error;
  }
  let handler = module;
  for (const part of parts[2].split(".")) handler = handler?.[part] ?? handler?.default?.[part];
  if (handler === undefined) {
    throw named("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  }
  if (typeof handler !== "function") throw named("Runtime.HandlerNotFound", `${name} is not a function`);
  return handler;
}

// The answer of one invocation: whatever comes first counts, the rest is ignored.
class Invocation {
  constructor(headers) {
    this.id = headers["lambda-runtime-aws-request-id"];
    this.isOver = false;
    this.answered = new Promise((resolve) => { this.resolve = resolve; });
    this.whenIdle = null;
  }

  async send(route, body) {
    await call("POST", `/invocation/${this.id}/${route}`, body, { "Content-Type": "application/json" });
  }

  succeed(result) {
    if (this.isOver) return;
    this.isOver = true;
    let text;
    try {
      text = JSON.stringify(result === undefined ? null : result) ?? "null";
    } catch {
      this.isOver = false;
      this.fail(new Error("Unable to stringify response body"));
      return;
    }
    this.send("response", text).then(this.resolve, gone);
  }

  fail(error) {
    if (this.isOver) return;
    this.isOver = true;
    const description = describe(error);
    const trace = { errorType: description.errorType, errorMessage: description.errorMessage, stack: description.trace };
    console.error("Invoke Error", "\t" + JSON.stringify(trace));
    post(`/invocation/${this.id}/error`, description).then(this.resolve, gone);
  }
}

function contextOf(invocation, headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const text = headers["lambda-runtime-client-context"];
  const identity = headers["lambda-runtime-cognito-identity"];
  const context = {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: text ? JSON.parse(Buffer.from(text, "latin1").toString("utf8")) : undefined,
    identity: identity ? JSON.parse(identity) : undefined,
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: invocation.id,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
    succeed: (result) => invocation.succeed(result),
    fail: (error) => invocation.fail(error),
    done: (error, result) => callback(error, result),
  };
  const callback = (error, result) => {
    const answer = () => {
      if (error !== undefined && error !== null) invocation.fail(error);
      else invocation.succeed(result);
    };
    if (invocation.whenIdle || invocation.isOver) return;
    if (context.callbackWaitsForEmptyEventLoop) invocation.whenIdle = answer;
    else answer();
  };
  return { context, callback };
}

// Nothing is left to do: a callback's answer goes out, or nobody will ever call back.
process.on("beforeExit", () => {
  if (!current || current.isOver) return;
  if (current.whenIdle) current.whenIdle();
  else current.succeed(null);
});

async function crash(error, code) {
  const description = describe(error);
  console.error("Uncaught Exception", "\t" + JSON.stringify(description));
  const route = current && !current.isOver ? `/invocation/${current.id}/error` : "/init/error";
  if (current) current.isOver = true;
  try {
    await post(route, description);
  } finally {
    process.exit(code);
  }
}

process.on("uncaughtException", (error) => crash(error, 129));
process.on("unhandledRejection", (reason) => {
  const text = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason);
  const error = named("Runtime.UnhandledPromiseRejection", text);
  if (reason?.stack) error.stack = reason.stack;
  crash(error, 128);
});

async function main() {
  const handler = await load(process.argv[1]).catch(async (error) => {
    await crash(error, 1);
  });
  for (;;) {
    const { status, headers, body } = await call("GET", "/invocation/next").catch(gone);
    if (status !== 200) gone();
    const invocation = new Invocation(headers);
    current = invocation;
    if (headers["lambda-runtime-trace-id"]) process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"];
    const { context, callback } = contextOf(invocation, headers);
    try {
      const result = handler(JSON.parse(body.toString("utf8")), context, callback);
      if (typeof result?.then === "function") {
        result.then((value) => invocation.succeed(value), (error) => invocation.fail(error));
      }
    } catch (error) {
      invocation.fail(error);
    }
    await invocation.answered;
  }
}

main();
