// Goes through the console in Chromium: `node console.mjs URL GUARDED_URL`. URL is a server without keys,
// GUARDED_URL one with the keys ADMIN and READER. PACKAGES is the folder with playwright-core and axe-core,
// CHROMIUM the browser. With PICTURES, pictures of the pages go into that folder; with FULL, the map run
// has 10,000 children; with FLOORS, times are held to what is promised of an optimised build.
// One line for each thing that was tried; the first wrong one ends it.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Api, ORDER, world } from "./console_world.mjs";

const [, , URL_, GUARDED] = process.argv;
const { PACKAGES, CHROMIUM, PICTURES, FULL, FLOORS } = process.env;
const require = createRequire(`${PACKAGES}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const profile = mkdtempSync(join(tmpdir(), "console-"));
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const launch = (folder, more = {}) =>
  chromium.launchPersistentContext(join(profile, folder), {
    executablePath: CHROMIUM,
    headless: true,
    args,
    viewport: { width: 1360, height: 900 },
    ...more,
  });

const say = (what, figure = "") => console.log(`${what}: ok${figure && ` (${figure})`}`);
/** The time that something may take: what is promised of an optimised build, or much more. */
const floor = (millis) => (FLOORS ? millis : 10_000);

/** A page on which nothing may go wrong: no error, no dialog, no request to anybody else. */
async function watched(context, base) {
  const page = await context.newPage();
  page.wrong = [];
  page.on("dialog", (dialog) => {
    page.wrong.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("pageerror", (error) => page.wrong.push(`an error: ${error.message}`));
  page.on("console", (message) => {
    const isRefused = /status of 40[0-9]/.test(message.text());
    if (message.type() === "error" && !isRefused) page.wrong.push(`the console says: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(base) && !request.url().startsWith("blob:")) page.wrong.push(`a request to ${request.url()}`);
  });
  return page;
}

const at = (path, parameters) => `${path}?${new URLSearchParams(parameters)}`;
const execution = (arn) => at("/console/execution", { arn });
const machine = (arn) => at("/console/machine", { arn });

/** When the page that was loaded last was first painted, in milliseconds after it was asked for. */
async function painted(page) {
  await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
  return page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
}

async function accessible(page, name) {
  await page.evaluate(axe);
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    // Only colours differ between the themes.
    const only = scheme === "dark" ? { runOnly: { type: "rule", values: ["color-contrast"] } } : {};
    const { violations } = await page.evaluate((only) => globalThis.axe.run(document, { resultTypes: ["violations"], ...only }), only);
    const told = violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.map((node) => `  ${node.html}\n  ${node.failureSummary}`).slice(0, 3).join("\n")}`);
    assert.deepEqual(told, [], `${name}, ${scheme}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
}

/** Pictures of the manual, which are small. */
async function manual(page, name, height = 560) {
  if (!PICTURES) return;
  await page.setViewportSize({ width: 1000, height });
  await page.screenshot({ path: join(PICTURES, `console-${name}.jpg`), type: "jpeg", quality: 62 });
  await page.setViewportSize({ width: 1360, height: 900 });
}

async function picture(page, name) {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.screenshot({ path: join(PICTURES, `${name}-${scheme}.png`) });
  }
}

const text = (page, selector = "main") => page.locator(selector).first().innerText();
const press = (page, name) => page.getByRole("button", { name, exact: true }).first().click();
/** Opens the form behind a button. */
const unfold = (page, name) => page.locator("details.act > summary", { hasText: name }).first().click();
const submit = (page) => page.locator("details.act[open] form button[type=submit]").click();
const status = (page, word) => page.locator(`[data-part=facts] [data-status=${word}]`).waitFor({ timeout: 20_000 });

const began = Date.now();
const { api, machines, executions } = await world(`${URL_}/`, { items: 12_500, children: FULL ? 10_000 : 1_000 });
say("the world is made", `${Date.now() - began} ms`);

const context = await launch("free");
const page = await watched(context, URL_);
const open = async (path) => {
  const response = await page.goto(URL_ + path, { waitUntil: "load" });
  assert.deepEqual(page.wrong, [], path);
  return response;
};
process.on("uncaughtException", (error) => {
  console.error(`${error.stack}\nat ${page.url()}: ${page.wrong.join("; ")}`);
  process.exit(1);
});
const right = (what, figure) => {
  assert.deepEqual(page.wrong, [], what);
  say(what, figure);
};

// ── Every page ──
await open(execution(executions.import));
const run = await page.locator("a[href^='/console/map-run?']").first().getAttribute("href");
const child = await page.locator(".failures a").first().getAttribute("href");
const pages = {
  home: "/",
  executions: "/console/executions",
  machine: machine(machines.order),
  express: machine(machines.express),
  waiting: execution(executions.waiting),
  retrying: execution(executions.retrying),
  broken: execution(executions.broken),
  stations: execution(executions.stations),
  nightly: execution(executions.nightly),
  hostile: execution(executions.hostile),
  long: execution(executions.long),
  import: execution(executions.import),
  "map-run": run,
  "map-runs": "/console/map-runs",
  oldest: "/console/executions?order=oldest",
  fork: at("/console/fork", { arn: executions.succeeded, state: "Charge" }),
  child,
  activities: "/console/activities",
  functions: "/console/functions",
  services: "/console/services",
  parked: "/console/parked",
  test: at("/console/test", { arn: machines.broken, state: "Add up", execution: executions.broken }),
  find: "/console/find?q=nothing-has-this-name",
  found: "/console/find?q=status%3Afailed",
  missing: execution(`${executions.broken}-which-is-not-there`),
};
for (const [name, path] of Object.entries(pages)) {
  const response = await open(path);
  assert.equal(response.status(), name === "missing" ? 404 : 200, name);
  const headers = response.headers();
  const policy = headers["content-security-policy"];
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.equal(await page.locator("h1").count(), 1, `${name} has one heading`);
  if (await page.locator("sw-events").count()) await page.locator(".grid-row .kind", { hasNotText: "…" }).first().waitFor();
  await picture(page, name);
  await accessible(page, name);
  if (name === "waiting") await manual(page, "waiting", 640);
  if (name === "broken") await manual(page, "failed", 640);
  right(`page ${name}, both themes`);
}
await page.emulateMedia({ colorScheme: "light" });
await page.setViewportSize({ width: 390, height: 844 });
for (const name of ["home", "waiting", "broken", "import", "map-run", "map-runs", "fork", "machine", "executions", "services"]) {
  await open(pages[name]);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 390, `${name} is ${width} wide on a phone`);
}
await open(pages.broken);
if (PICTURES) await page.screenshot({ path: join(PICTURES, "phone-light.png") });
await page.setViewportSize({ width: 1360, height: 900 });
right("phones");

// ── Without the script ──
const plain = await launch("plain", { javaScriptEnabled: false });
const bare = await plain.newPage();
for (const [name, path] of Object.entries(pages)) {
  await bare.goto(URL_ + path);
  const inline = await bare.locator("style, script:not([src]), [style], [onclick], [onload], [onerror]").count();
  assert.equal(inline, 0, `${name} has something inline`);
}
await bare.goto(URL_ + pages.waiting);
assert.match(await bare.locator("main").innerText(), /waits for somebody to return its task token/);
assert.match(await bare.locator("main").innerText(), /Ada Lovelace/);
await plain.close();
say("pages without the script, and nothing inline");

let bytes = 0;
for (const path of ["console.css", "console.js", "base.js", "data.js", "drawing.js", "icon.svg"].map((name) => `/console/${name}`)) {
  bytes += gzipSync(Buffer.from(await (await fetch(URL_ + path)).arrayBuffer())).length;
}
assert.ok(bytes <= 100 * 1024, `${bytes} bytes`);
say("all assets, compressed", `${bytes} bytes`);

// ── Hostile names and data ──
await open(pages.hostile);
await page.locator("sw-json li").first().waitFor();
const told = await text(page);
for (const part of ["<img src=x onerror=alert(1)><script>alert(1)</script>", "⟨U+202E⟩", "<b>bold</b>"]) {
  assert.ok(told.includes(part), `${part} in ${told.slice(0, 2000)}`);
}
assert.equal(await page.locator("main img, main script, main .notice b b").count(), 0);
assert.ok(!/[\u202e\u2066\u0000]/.test(await page.evaluate(() => document.body.textContent)), "nothing hidden is on the page");
await page.getByRole("button", { name: /all \d+ characters/ }).first().click();
right("hostile names and data are text");

await open(execution(executions.numbers));
await page.locator("sw-json li").first().waitFor();
assert.match(await text(page, "sw-json"), /big: 12345678901234567890123\s+small: 1\.10/);
right("numbers are shown as they were written");

// ── A history of 50,000 events ──
await open(pages.long);
const paint = await painted(page);
assert.ok(paint <= floor(300), `first paint after ${paint} ms`);
const rows = await page.locator(".grid-body").getAttribute("aria-rowcount");
assert.ok(Number(rows) >= 50_000, `${rows} rows`);
const seen = [];
for (const share of [0, 0.5, 0.77, 1]) {
  await page.locator(".grid-body").evaluate((body, share) => {
    body.scrollTop = share * body.scrollHeight;
    // It is drawn in the next frame.
    return new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  }, share);
  await page.waitForFunction(() => ![...document.querySelectorAll(".grid-row .kind")].some((kind) => kind.textContent === "…"));
  seen.push(await page.locator(".grid-row").count());
}
assert.ok(Math.max(...seen) <= 120, `${seen} rows in the DOM`);
assert.match(await text(page, ".grid-body"), /ExecutionSucceeded/);
const windows = await page.evaluate(() => performance.getEntriesByType("resource").filter(({ name }) => name.includes("/events?")).map(({ duration }) => duration));
assert.ok(Math.max(...windows) <= floor(50), `windows took ${windows} ms`);
right(
  "a history of 50,000 events",
  `${rows} rows, at most ${Math.max(...seen)} in the DOM, first paint ${Math.round(paint)} ms, windows ${windows.map(Math.round)} ms`,
);
await open(pages.import);
const large = await painted(page);
assert.ok(large <= floor(300), `first paint after ${large} ms`);
const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
assert.ok(nodes < 2_500, `${nodes} elements`);
right(`a map run of ${FULL ? "10,000" : "1,000"} children`, `first paint ${Math.round(large)} ms, ${nodes} elements`);

// ── The history and the drawing lead to each other ──
await open(pages.broken);
await page.locator(".grid-row", { hasText: "EvaluationFailed" }).click();
await page.locator("#chosen").getByText("D3030").first().waitFor();
assert.match(await text(page, "#chosen"), /Variables[\s\S]*customer: "c-9"/);
// A path or an expression is tried on the data of the event.
for (const [tried, expected] of [
  ["{% $customer & '!' %}", /"c-9!"/],
  ["States.Format('{}-{}', 'a', $customer)", /"a-c-9"/],
  ["$.no.such.path", /States\.Runtime/],
]) {
  await page.locator("form.try input").fill(tried);
  await page.keyboard.press("Enter");
  await page.locator("form.try", { hasText: expected }).waitFor();
}
right("expressions are tried on an event's data");
const link = await page.getByRole("link", { name: "Save as a test" }).getAttribute("href");
const saved = await page.request.get(new URL(link, page.url()).href);
assert.match(saved.headers()["content-disposition"], /recorded\.test\.yaml/);
assert.match(await saved.text(), /^# Recorded from .*\n(# Note: .*\n)*definition: \{"[\s\S]*expect:/);
right("an execution is saved as a test");
assert.equal(await page.locator("g.state.at").count(), 1);
await page.locator("g.state", { hasText: "Prepare" }).click();
await page.locator("#chosen h2", { hasText: "Prepare" }).waitFor();
assert.match(await text(page, "#of-state"), /Prepare/);
assert.doesNotMatch(await text(page, ".grid-body"), /Add up/);
await press(page, "Only Prepare; show all");
await page.locator(".grid-row", { hasText: "Add up" }).first().waitFor();
await page.getByLabel("Failures only").check();
await page.waitForFunction(() => document.querySelectorAll(".grid-row").length < 4);
await page.locator(".grid-row", { hasText: "ExecutionFailed" }).waitFor();
await page.getByLabel("Failures only").uncheck();
await page.locator(".grid-body").focus();
await page.keyboard.press("End");
await page.locator("#chosen h2").waitFor();
await page.keyboard.press("ArrowUp");
await page.locator("#chosen", { hasText: "EvaluationFailed" }).waitFor();
await page.getByRole("button", { name: /^Line \d+ of the definition/ }).click();
await page.locator(".line.at", { hasText: '"Add up"' }).waitFor();
await press(page, "Whole execution");
await page.locator("#whole").waitFor();
right("event, state and line lead to each other");

// ── Differences ──
await open(pages.hostile);
await page.locator(".grid-row", { hasText: "PassStateExited" }).first().click();
await page.locator("#chosen .differs").first().waitFor();
await page.locator("#chosen .differs > summary").first().click();
await page.locator("sw-diff", { hasText: "Nothing differs." }).waitFor();
right("a state that changes nothing");
await open(execution(executions.succeeded));
const exited = page.locator(".grid-row", { hasText: "TaskStateExited" }).first();
await exited.click();
await page.locator("#chosen .differs > summary", { hasText: "to: output" }).click();
await page.locator("sw-diff ins", { hasText: "R-7781" }).waitFor();
const changes = await text(page, "sw-diff");
assert.match(changes, /2 added, 6 removed/);
// Each difference has a sign and a word.
for (const word of ["added", "removed"]) assert.ok((await page.locator(`sw-diff li.${word} > .unseen`, { hasText: word }).count()) > 0, word);
await page.locator("#chosen").getByRole("button", { name: "Compare others with this event" }).click();
await page.locator("#chosen", { hasText: "Choose another event to see what differs." }).waitFor();
await page.locator(".grid-row", { hasText: "PassStateEntered" }).first().click();
await page.locator("#chosen h3", { hasText: "Compared with" }).waitFor();
await page.locator("sw-diff del", { hasText: "R-7781" }).waitFor();
await page.locator("sw-diff", { hasText: "order" }).first().waitFor();
await accessible(page, "differences");
await picture(page, "differences");
await page.getByRole("button", { name: "Stop comparing" }).click();
await page.waitForFunction(() => !document.querySelector("#chosen").textContent.includes("Compared with"));
await page.locator(".grid-body").focus();
await page.keyboard.press("Home");
await page.locator("#chosen", { hasText: "ExecutionStarted" }).waitFor();
await page.keyboard.press("c");
await page.locator("#chosen", { hasText: "Choose another event to see what differs." }).waitFor();
right("what changed from input to output, and between two events");

// ── What a function has printed, by attempt ──
await open(execution(executions.printing));
const attempts = page.locator(".grid-row", { hasText: "LambdaFunctionScheduled" });
for (const [at, printed, other] of [[0, "attempt of the first", "attempt of the second"], [1, "attempt of the second", "attempt of the first"]]) {
  await attempts.nth(at).click();
  await page.locator("#chosen .logs", { hasText: printed }).waitFor();
  assert.ok(!(await text(page, "#chosen .logs")).includes(other), `only what attempt ${at} has printed`);
}
const lines = await text(page, "#chosen .logs");
assert.match(lines, /<script>alert\(1\)<\/script>/);
assert.match(lines, /⟨U\+202E⟩/);
await accessible(page, "what a function has printed");
await picture(page, "printed");
right("what a function has printed is shown at its attempt");

// ── Map runs, orders ──
await open("/console/map-runs");
assert.match(await text(page), /records[\s\S]*regions|regions[\s\S]*records/);
const failed = page.locator("tbody tr", { hasText: "records" }).filter({ hasText: "import-large" });
assert.match(await failed.innerText(), /Succeeded/);
await open(at("/console/map-runs", { status: "FAILED" }));
assert.doesNotMatch(await text(page, "[data-fresh=rows]"), /import-large/);
await open(at("/console/map-runs", { machine: machines.stations }));
assert.doesNotMatch(await text(page, "[data-fresh=rows]"), /import-large/);
assert.match(await text(page, "[data-fresh=rows]"), /regions/);
right("map runs by status and state machine");
const firstOf = (selector) => page.locator(`tbody tr:first-child ${selector}`).innerText();
await open("/console/executions");
await page.getByRole("link", { name: /^Started/ }).click();
await page.waitForURL(/order=oldest/);
assert.equal(await page.locator("th[aria-sort=ascending]").innerText(), "Started (UTC) ▲");
assert.match(await firstOf("td:nth-child(2)"), /order-0041/);
await page.getByRole("link", { name: /^Ended/ }).click();
await page.waitForURL(/order=ended/);
const ends = await page.locator("tbody td:nth-child(5) time").evaluateAll((all) => all.map((one) => one.dateTime));
assert.deepEqual(ends, [...ends].sort().reverse());
await open(at("/console/executions", { machine: machines.order }));
await page.getByRole("link", { name: "Execution", exact: true }).click();
await page.waitForURL(/order=name/);
const names = await page.locator("tbody td:nth-child(2)").allInnerTexts();
assert.deepEqual(names, [...names].sort());
await page.getByLabel("Name begins with").fill("order-0042");
await page.getByRole("button", { name: "Show" }).click();
await page.waitForURL(/prefix=order-0042/);
assert.equal(await page.locator("tbody tr").count(), 1);
await open(at("/console/executions", { order: "name" }));
assert.match(await text(page), /Choose a state machine/);
await open(at("/console/executions", { machine: machines.broken }));
await page.getByLabel("Error").fill("States.QueryEvaluationError");
await page.getByRole("button", { name: "Show" }).click();
await page.waitForURL(/console\/find/);
await page.locator("tbody tr", { hasText: "invoice-7" }).waitFor();
right("orders of lists, names and errors");

// ── From the home page to the cause of a failed child in a nested map ──
await open("/");
await page.getByRole("link", { name: "stations-monday" }).first().click();
await page.locator(".failures a").first().click();
await page.locator(".failures a").first().click();
await page.getByText("The station has not answered for a day.").first().waitFor();
right("from the home page to the cause in a nested map", "3 clicks");

// ── Keys ──
await open("/");
await page.keyboard.press("?");
await page.locator("dialog[open]").waitFor();
await accessible(page, "the keys");
await page.keyboard.press("Escape");
await page.waitForFunction(() => !document.querySelector("dialog").open);
await page.keyboard.press("j");
await page.keyboard.press("j");
await page.keyboard.press("Enter");
await page.waitForURL(/\/console\/machine/);
await page.keyboard.press("g");
await page.keyboard.press("m");
await page.waitForURL(/\/console\/map-runs/);
await page.keyboard.press("g");
await page.keyboard.press("e");
await page.waitForURL(/\/console\/executions/);
await page.keyboard.press("/");
await page.keyboard.type("order-0042");
await page.keyboard.press("Enter");
await page.waitForURL(/order-0042/);
const before = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
await page.locator("h1").click();
await page.keyboard.press("t");
assert.notEqual(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor), before);
await page.reload();
assert.equal(await page.locator("html").getAttribute("data-looks"), "dark");
await page.keyboard.press("t");
right("keys, and a theme that stays");

// ── Addresses of AWS's console ──
for (const [fragment, expected] of [
  [`#/v2/executions/details/${executions.broken}`, "invoice-7"],
  [`#/statemachines/view/${machines.order}`, "order"],
]) {
  await open(`/states/home?region=us-east-1${fragment}`);
  await page.locator("h1", { hasText: expected }).waitFor();
}
right("addresses of AWS's console");

// ── Actions ──
await open(machine(machines.order));
await unfold(page, "Start…");
assert.match(await page.locator("details.act[open] textarea").inputValue(), /Ada Lovelace/, "it begins with the last input");
await page.locator("details.act[open] input[name=name]").fill("by-hand");
await submit(page);
await page.waitForURL(/by-hand/);
await status(page, "RUNNING");
await page.locator(".waits", { hasText: "waits for somebody to return its task token" }).waitFor();
// At the event where it waits, there is its token.
await page.locator(".grid-row", { hasText: "TaskScheduled" }).first().click();
await page.locator("#chosen", { hasText: "It waits for its task token" }).waitFor();
assert.equal(await page.locator("#chosen pre.block").first().innerText(), await page.locator(".waits input[name=taskToken]").first().inputValue());
await accessible(page, "a task token");
await unfold(page.locator("#chosen"), "Answer with success");
await page.locator("details.act[open] textarea").fill('{"approved": true}');
await submit(page);
await status(page, "SUCCEEDED");
right("start, and a task token that is answered by hand");

// ── Forks ──
await open(execution(executions.succeeded));
await page.locator(".grid-row", { hasText: "TaskStateEntered" }).filter({ hasText: "Charge" }).click();
await page.getByRole("link", { name: "Run again from this state…" }).click();
await page.waitForURL(/console\/fork/);
assert.match(await text(page), /begins at Charge[\s\S]*\$order[\s\S]*\$attempt/);
assert.match(await page.getByLabel("Input (JSON)").inputValue(), /Ada Lovelace/);
assert.equal(await page.locator("g.state.at", { hasText: "Charge" }).count(), 1);
await manual(page, "fork", 640);
await page.getByLabel("Variables (JSON object)").fill('{"order": "2026-0041-b", "attempt": 2}');
await page.getByLabel("Name (may be left out)").fill("a-fork");
await page.locator("summary", { hasText: "Change the definition" }).click();
const definition = page.locator("textarea[name=definition]");
const changed = JSON.parse(await definition.inputValue());
changed.States.Done = { Type: "Pass", Output: { order: "{% $order %}", attempt: "{% $attempt %}" }, End: true };
await definition.fill(JSON.stringify(changed, null, 2));
await page.getByRole("button", { name: "Fork", exact: true }).click();
await page.waitForURL(/a-fork/);
await status(page, "SUCCEEDED");
assert.match(await text(page, "[data-part=facts]"), /Forked from\s+order-0041 at Charge/);
assert.match(await text(page, "[data-part=data]"), /order: "2026-0041-b"\s+attempt: 2/);
assert.match(await text(page, "#definition"), /Definition/);
assert.equal(await page.locator(".grid-row", { hasText: "Check the order" }).count(), 0);
assert.equal(await page.getByRole("link", { name: "Save as a test" }).count(), 0);
// What is within a Map or Parallel leads to the state around it.
await open(at("/console/fork", { arn: executions.succeeded, state: "Pack" }));
assert.match(await text(page), /Pack is within Deliver/);
await page.locator("sw-graph g.state", { hasText: "Wait for approval" }).first().click();
await page.waitForURL(/state=Wait\+for\+approval/);
assert.match(await text(page), /was not entered/);
await accessible(page, "a fork at a state that was not entered");
// Hostile data stays text, and goes on as it is.
await open(at("/console/fork", { arn: executions.hostile, state: "turn\u202eed" }));
assert.equal(await page.locator("main img, main script").count(), 0);
await page.getByRole("button", { name: "Fork", exact: true }).click();
await page.waitForURL(/console\/execution/);
await status(page, "FAILED");
const forked = await api.call("DescribeExecution", { executionArn: new URL(page.url()).searchParams.get("arn") });
const original = await api.call("DescribeExecution", { executionArn: executions.hostile });
assert.deepEqual(JSON.parse(forked.input), JSON.parse(original.input));
right("an execution is run again from a state, with other data and another definition");

const second = await api.start(machines.order, { order: "x", total: 5000 }, "to-be-stopped");
await open(execution(second));
const token = await page.locator("input[name=taskToken]").first().inputValue();
await unfold(page, "Stop");
await page.locator("details.act[open] input[name=error]").fill("Enough");
await submit(page);
await status(page, "ABORTED");
assert.match(await text(page, "[data-part=notices]"), /Enough/);
await unfold(page, "Redrive");
await submit(page);
await status(page, "RUNNING");
right("stop and redrive");

await page.waitForTimeout(400);
const renewed = await page.locator("input[name=taskToken]").first().inputValue();
assert.notEqual(renewed, token);
const sent = Date.now();
await api.call("SendTaskSuccess", { taskToken: renewed, output: "{}" });
await page.locator("g.state.succeeded", { hasText: "Wait for approval" }).waitFor();
const update = Date.now() - sent;
assert.ok(update <= Math.max(floor(1_000), 1_000), `an update was seen after ${update} ms`);
await status(page, "SUCCEEDED");
right("an update is seen without loading the page", `${update} ms`);

await open("/");
const count = await text(page, ".tally li:nth-child(2) b");
await api.ends(await api.start(machines.order, { order: "y", total: 1 }));
await page.waitForFunction((count) => document.querySelector(".tally li:nth-child(2) b").textContent !== count, count);
right("lists are live");

await open(pages.test);
await page.getByLabel("Input (JSON)").fill('{"lines": [{"price": 3}], "shipping": {"cost": {"net": 1}}}');
await page.getByRole("button", { name: "Test", exact: true }).click();
await page.locator(".detail", { hasText: "States.QueryEvaluationError" }).waitFor();
await accessible(page, "a test");
await page.getByLabel("State", { exact: true }).fill("Prepare");
await page.getByLabel("Input (JSON)").fill('{"customer": "c-1"}');
await page.getByRole("button", { name: "Test", exact: true }).click();
await page.locator(".detail [data-status=SUCCEEDED]").waitFor();
right("a state is tested");

await open(machine(machines.express));
await unfold(page, "Start…");
await submit(page);
await page.locator("[data-status=SUCCEEDED]").waitFor();
assert.match(await text(page), /price: 7/);
right("an Express execution");

// ── Pages of a list ──
for (let at = 0; at < 60; at += 1) await api.start(machines.flaky, {}, `many-${at}`);
await open(at("/console/executions", { machine: machines.flaky, status: "RUNNING" }));
assert.equal(await page.locator("tbody tr").count(), 50);
await page.getByRole("link", { name: "Older" }).click();
await page.waitForURL(/after=/);
assert.equal(await page.locator("tbody tr").count(), 11);
assert.match(await text(page), /flaky-1/);
right("pages of a list");
await context.close();

// ── Keys and rights ──
const admin = new Api(`${GUARDED}/`, { id: "ADMIN", secret: "the secret of ADMIN" });
await admin.machine("order", ORDER);
const guarded = await launch("guarded");
const locked = await watched(guarded, GUARDED);
const login = async (key, secret) => {
  await locked.getByLabel("Access key id").fill(key);
  await locked.getByLabel("Secret access key").fill(secret);
  await locked.getByRole("button", { name: "Log in" }).click();
};
let response = await locked.goto(`${GUARDED}/console/machine?arn=${machines.order}`);
assert.equal(response.status(), 401);
await picture(locked, "login");
await accessible(locked, "login");
await login("ADMIN", "wrong");
await locked.getByRole("alert").waitFor();
await login("ADMIN", "the secret of ADMIN");
await locked.waitForURL(/console\/machine/);
const [cookie] = (await guarded.cookies()).filter(({ name }) => name.startsWith("stepwright-session"));
assert.ok(cookie.httpOnly && cookie.sameSite === "Strict", JSON.stringify(cookie));
// A link on another site comes without the cookie.
await locked.goto("data:text/html,<p>another site");
await locked.evaluate((url) => location.assign(url), `${GUARDED}/console/machine?arn=${machines.order}`);
await locked.locator("h1", { hasText: "order" }).waitFor();
await unfold(locked, "Start…");
await locked.locator("details.act[open] input[name=name]").fill("of-admin");
await submit(locked);
await locked.waitForURL(/of-admin/);
await locked.getByRole("button", { name: "Log out" }).click();
await locked.waitForURL(`${GUARDED}/`);
assert.equal((await locked.request.get(`${GUARDED}/`, { headers: { accept: "text/html" } })).status(), 401);
say("login, logout, and what one may with all rights");

const seenByReader = await admin.start(machines.order, { order: "z", total: 1 }, "for-the-reader");
await admin.ends(seenByReader);
await locked.goto(`${GUARDED}/states/home?region=us-east-1#/statemachines/view/${machines.order}`);
await login("READER", "the secret of READER");
await locked.waitForURL(/console\/machine/);
assert.equal(await locked.locator("details.act, a.button").count(), 0, "a reader has nothing to press");
await locked.getByRole("link", { name: "of-admin" }).first().click();
await locked.locator(".waits, .notice").first().waitFor();
// To save what one sees is to look.
assert.equal(await locked.locator("details.act, a.button:not([download]), input[name=taskToken]").count(), 0);
const form = await locked.locator("form[action='/console/logout'] input[name=token]").inputValue();
const post = (fields) => locked.request.post(`${GUARDED}/console/act`, { form: fields, maxRedirects: 0, headers: { accept: "text/html" } });
const wanted = { operation: "StartExecution", stateMachineArn: machines.order, input: "{}" };
assert.equal((await post({ ...wanted, token: form })).status(), 403, "a reader may not start");
assert.equal((await post(wanted)).status(), 403, "a form of another page");
assert.equal((await post({ ...wanted, token: "0".repeat(64) })).status(), 403, "a guessed text");
// Neither what a function has printed, nor a way to fork.
const json = async (path, parameters) => (await locked.request.get(GUARDED + at(path, parameters), { headers: { accept: "application/json" } })).json();
const { rows: lines_ } = await json("/console/execution/events", { arn: seenByReader });
const [scheduled] = lines_.find((row) => row[3] === "LambdaFunctionScheduled");
const detail = await json("/console/execution/event", { arn: seenByReader, row: scheduled });
assert.deepEqual([detail.state, detail.logs, detail.fork, detail.acts], ["Charge", null, null, null]);
assert.equal((await post({ operation: "ForkExecution", executionArn: seenByReader, state: "Charge", token: form })).status(), 403, "a reader may not fork");
response = await locked.goto(`${GUARDED}/console/parked`);
assert.equal(response.status(), 403);
await accessible(locked, "a page that one may not see");
assert.deepEqual(locked.wrong, []);
say("a reader looks, and may do nothing");
await guarded.close();
rmSync(profile, { recursive: true, force: true });
