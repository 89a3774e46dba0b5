// The script of the console: what moves. Pages can be read, and forms sent, without it.

import { $, $$, HTML, get, make, say } from "./base.js";
import "./data.js";
import "./drawing.js";

// ── Histories ────────────────────────────────────────────────────────────────────────────────────

const ROW = 28;
const WINDOW = 100;
/** Browsers cannot make an element higher than some millions of pixels. */
const HIGHEST = 8e6;
const OVERSCAN = 6;

/** Milliseconds as people read them. */
function after(millis) {
  if (millis < 1000) return `${millis} ms`;
  const seconds = millis / 1000;
  if (seconds < 60) return `${seconds.toFixed(2)} s`;
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds % 60)];
  const pad = (n) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

class Events extends HTMLElement {
  connectedCallback() {
    if (this.body) return;
    this.all = Number(this.dataset.rows);
    this.filter = {};
    this.windows = new Map();
    this.rows = [];
    this.chosen = -1;
    const heads = ["#", "After", "Event", "State", "What it says"];
    this.space = make("div", { class: "grid-space", role: "rowgroup" });
    this.body = make("div", { class: "grid-body", tabindex: 0, role: "grid", "aria-label": "History", "aria-colcount": 5 }, this.space);
    const head = make("div", { class: "grid-head", "aria-hidden": "true" }, ...heads.map((name, at) => make("span", { class: at < 2 ? "n" : "" }, name)));
    this.replaceChildren(head, this.body);
    this.body.addEventListener("scroll", () => this.render(), { passive: true });
    this.body.addEventListener("keydown", (event) => this.key(event));
    this.space.addEventListener("click", (event) => {
      const row = event.target.closest(".grid-row");
      if (row) this.choose(row.at);
    });
    new ResizeObserver(() => this.render()).observe(this.body);
    this.resize();
  }

  /** The history has this many rows now. */
  grow(rows) {
    const isNarrow = this.filter.state != null || this.filter.only;
    if (!isNarrow && rows === this.all) return;
    this.windows.clear();
    if (!isNarrow) this.all = rows;
    this.resize();
  }

  /** Shows only what a filter lets through. */
  narrow(filter) {
    this.filter = { ...this.filter, ...filter };
    this.windows.clear();
    this.chosen = -1;
    this.body.scrollTop = 0;
    const isNarrow = this.filter.state != null || this.filter.only;
    if (!isNarrow) this.all = this.total ?? Number(this.dataset.rows);
    this.resize();
  }

  resize() {
    const height = this.all * ROW;
    this.scale = Math.max(1, height / HIGHEST);
    this.space.style.height = `${Math.max(height / this.scale, ROW)}px`;
    this.body.setAttribute("aria-rowcount", String(this.all));
    this.render();
  }

  /** The first row in view, with a fraction. */
  first() {
    const { scrollTop, clientHeight, scrollHeight } = this.body;
    if (this.scale === 1) return scrollTop / ROW;
    const share = scrollTop / Math.max(1, scrollHeight - clientHeight);
    return share * Math.max(0, this.all - clientHeight / ROW);
  }

  render() {
    const first = this.first();
    const seen = Math.ceil(this.body.clientHeight / ROW);
    const from = Math.max(0, Math.floor(first) - OVERSCAN);
    const to = Math.min(this.all, Math.ceil(first) + seen + OVERSCAN);
    const offset = this.scale === 1 ? 0 : this.body.scrollTop - first * ROW;
    const count = Math.max(0, to - from);
    while (this.rows.length < count) {
      const row = make("div", { class: "grid-row", role: "row" });
      for (const kind of ["n", "n", "kind", "what", "said"]) row.append(make("span", { class: kind, role: "gridcell" }));
      this.rows.push(row);
      this.space.append(row);
    }
    while (this.rows.length > count) this.rows.pop().remove();
    for (let at = from; at < to; at += 1) this.fill(this.rows[at - from], at, offset);
    this.space.toggleAttribute("data-none", this.all === 0);
  }

  fill(row, at, offset) {
    row.style.top = `${at * ROW + offset}px`;
    row.at = at;
    row.id = `row-${at}`;
    row.setAttribute("aria-rowindex", String(at + 1));
    row.setAttribute("aria-selected", String(at === this.chosen));
    const data = this.window(Math.floor(at / WINDOW))?.[at % WINDOW];
    const [id, since, kind, what, said] = row.children;
    if (!data) {
      row.className = `grid-row minor${at === this.chosen ? " at" : ""}`;
      id.textContent = since.textContent = what.textContent = said.textContent = "";
      kind.textContent = "…";
      return;
    }
    const [, number, millis, name, , state, item, depth, text, tone] = data;
    row.className = `grid-row ${tone}${at === this.chosen ? " at" : ""}`;
    id.textContent = number || "";
    since.textContent = after(millis);
    kind.textContent = name;
    what.textContent = `${"\u2003".repeat(Math.min(depth, 6))}${state}${item ? ` ${item}` : ""}`;
    said.textContent = said.title = text;
  }

  /** The rows of a window, if they are here; else they are fetched. */
  window(page) {
    const known = this.windows.get(page);
    if (known) return known === "coming" ? null : known;
    this.windows.set(page, "coming");
    const { windows } = this;
    const filter = { ...this.filter };
    const query = new URLSearchParams({ from: page * WINDOW, most: WINDOW });
    for (const [key, value] of Object.entries(filter)) if (value != null && value !== "") query.set(key, value);
    get(`${this.dataset.source}&${query}`)
      .then(({ all, rows }) => {
        if (JSON.stringify(filter) !== JSON.stringify(this.filter)) return;
        windows.set(page, rows);
        if (this.filter.state == null && !this.filter.only) this.total = all;
        if (all !== this.all) {
          this.all = all;
          this.resize();
        } else this.render();
      })
      .catch((error) => {
        say(`The history cannot be read: ${error.message}`);
        setTimeout(() => windows.get(page) === "coming" && windows.delete(page), 2000);
      });
    return null;
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.body.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity, j: 1, k: -1 };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    this.choose(Math.min(Math.max(this.chosen + steps[event.key], 0), this.all - 1));
  }

  choose(at) {
    if (at < 0 || at >= this.all) return;
    this.chosen = at;
    const first = this.first();
    const seen = this.body.clientHeight / ROW;
    if (at < first || at > first + seen - 1) {
      const top = at < first ? at : at - seen + 1;
      const share = top / Math.max(1, this.all - seen);
      this.body.scrollTop = this.scale === 1 ? top * ROW : share * (this.body.scrollHeight - this.body.clientHeight);
    }
    this.render();
    this.body.setAttribute("aria-activedescendant", `row-${at}`);
    clearTimeout(this.choosing);
    // Whoever holds a key down wants the last one only.
    this.choosing = setTimeout(() => this.open(at), 60);
  }

  async open(at) {
    const data = this.window(Math.floor(at / WINDOW))?.[at % WINDOW];
    if (!data) {
      this.choosing = setTimeout(() => this.open(at), 60);
      return;
    }
    try {
      const details = await get(`${this.dataset.details}&row=${data[0]}`);
      if (at === this.chosen) this.dispatchEvent(new CustomEvent("choose", { detail: details }));
    } catch (error) {
      say(`The event cannot be read: ${error.message}`);
    }
  }
}

customElements.define("sw-events", Events);

// ── The page of an execution ─────────────────────────────────────────────────────────────────────

function execution() {
  const events = $("sw-events");
  const graph = $("sw-graph");
  if (!events) return;
  const [chosen, whole, chip] = [$("#chosen"), $("#whole"), $("#of-state")];
  // The event that others are compared with.
  let base = null;
  const compare = (detail) => {
    base = detail;
    say(detail ? `Others are compared with ${detail.name} ${detail.state}` : "Nothing is compared");
    if (latest) show(latest);
  };
  let latest = null;
  const back = () => {
    chosen.hidden = true;
    whole.hidden = false;
    graph?.mark(null);
  };
  const show = (detail) => {
    latest = detail;
    const tried = (text) => get(`${events.dataset.details}&row=${detail.row}&try=${encodeURIComponent(text)}`);
    chosen.replaceChildren(...shown(detail, back, compared(base, detail, compare)), trying(tried));
  };
  addEventListener("keydown", (event) => {
    const isTyped = event.target.closest?.("input, textarea, select, dialog");
    if (event.key === "c" && !isTyped && !event.ctrlKey && !event.metaKey && !event.altKey && latest && !chosen.hidden) compare(latest);
  });
  events.addEventListener("choose", ({ detail }) => {
    show(detail);
    chosen.hidden = false;
    whole.hidden = true;
    $("#detail").scrollTop = 0;
    graph?.mark(detail.position);
    say(`${detail.name} ${detail.state}`);
  });
  const ofState = (position, name) => {
    chip.hidden = position == null;
    chip.textContent = position == null ? "" : `${name} ✕`;
    chip.setAttribute("aria-label", `Only ${name}; show all`);
    events.narrow({ state: position });
  };
  graph?.addEventListener("choose", ({ detail }) => {
    const name = graph.states.get(detail).named.replace(/^\w+: /, "");
    graph.mark(detail);
    ofState(detail, name);
    // Its last event says most of it.
    setTimeout(() => events.all > 0 && events.choose(events.all - 1), 250);
  });
  chip.addEventListener("click", () => {
    ofState(null, "");
    back();
  });
  $("#only-failures").addEventListener("change", (event) => events.narrow({ only: event.target.checked ? "failures" : null }));
  $("#newest-first").addEventListener("change", (event) => events.narrow({ order: event.target.checked ? "newest" : null }));
}

/** An event with its data. */
function shown(detail, back, others) {
  const parts = [
    make(
      "div",
      { class: "heading" },
      make("h2", {}, detail.state ? `${detail.state} ${detail.item}` : detail.name),
      make("button", { type: "button", onclick: back }, "Whole execution"),
    ),
    make("p", { class: "dim" }, `${detail.id ? `${detail.id} · ` : ""}${detail.name} · ${detail.at.replace("T", " ").replace("Z", " UTC")}`),
  ];
  if (detail.text) parts.push(make("p", {}, detail.text));
  parts.push(
    make(
      "p",
      { class: "acts" },
      detail.line ? make("button", { type: "button", onclick: () => toLine(detail.line) }, `Line ${detail.line} of the definition`) : null,
      detail.fork ? make("a", { class: "button", href: detail.fork }, "Run again from this state…") : null,
      ...others.acts,
    ),
  );
  if (detail.failure) {
    const [error, cause] = detail.failure;
    if (error) parts.push(make("h3", { class: "failed" }, error));
    if (cause) parts.push(make("pre", { class: "block", tabindex: 0 }, cause));
  }
  if (detail.acts) {
    const acts = make("div");
    // Our own markup: texts of others in it are escaped.
    acts.innerHTML = detail.acts;
    parts.push(acts);
  }
  parts.push(...others.shown);
  if (detail.logs) {
    parts.push(make("h3", {}, "What the function has printed"));
    if (detail.logs.length === 0) parts.push(make("p", { class: "dim" }, "Nothing that is still kept: a server keeps the last lines in memory."));
    else parts.push(make("pre", { class: "block logs", tabindex: 0, "aria-label": "What the function has printed" }, ...detail.logs.flatMap(([at, text]) => [make("span", { class: "dim" }, `${at} `), `${text}\n`])));
  }
  const input = detail.values.find(([title]) => title === "Input of the state");
  const own = detail.values[0];
  if (input && own !== input) parts.push(differs(`From the input of the state to: ${own[0].toLowerCase()}`, input[1], own[1]));
  for (const [title, text] of detail.values) {
    const tree = make("sw-json", { "data-label": title });
    parts.push(make("h3", {}, title), tree);
    tree.show(text);
  }
  return parts;
}

/** What differs between two values, once somebody wants to see it. */
function differs(title, before, after, open = false) {
  const tree = make("sw-diff", { "data-label": `Differences: ${title}` });
  const details = make("details", { class: "differs" }, make("summary", {}, title), tree);
  details.addEventListener("toggle", () => details.open && !tree.firstChild && tree.compare(before, after));
  details.open = open;
  return details;
}

/** The event beside the one that it is compared with: what one can do, and what is shown. */
function compared(base, detail, compare) {
  const named = ({ id, name, state }) => `${id ? `${id} · ` : ""}${name}${state ? ` · ${state}` : ""}`;
  const begin = make("button", { type: "button", onclick: () => compare(detail) }, "Compare others with this event");
  if (!base) return { acts: [begin], shown: [] };
  const end = make("button", { type: "button", onclick: () => compare(null) }, "Stop comparing");
  if (base.row === detail.row) return { acts: [end], shown: [make("p", {}, "Choose another event to see what differs.")] };
  const data = ({ values }) => values.find(([title]) => title !== "Variables" && !title.startsWith("Event,"))?.[1] ?? "null";
  const variables = ({ values }) => values.find(([title]) => title === "Variables")?.[1] ?? "{}";
  const shown = [
    make("h3", {}, `Compared with ${named(base)}`),
    differs("Data", data(base), data(detail), true),
    differs("Variables", variables(base), variables(detail), true),
  ];
  return { acts: [begin, end], shown };
}

/** A field for a path or an expression, which is evaluated with the data of the event. */
function trying(ask) {
  const field = make("input", { name: "try", size: 40, spellcheck: "false", autocomplete: "off", placeholder: "$.order.id or {% $states.input.order.id %}" });
  const answer = make("div", { "aria-live": "polite" });
  const onsubmit = async (event) => {
    event.preventDefault();
    try {
      const [value, why] = (await ask(field.value)).tried;
      if (value === null) return answer.replaceChildren(make("p", { class: "failed" }, why));
      const tree = make("sw-json", { "data-label": "Value" });
      answer.replaceChildren(tree);
      tree.show(value);
    } catch (error) {
      answer.replaceChildren(make("p", { class: "failed" }, error.message));
    }
  };
  const label = make("label", {}, "Try a path, an intrinsic function, or {% an expression %}", field);
  return make("form", { class: "try", onsubmit }, label, make("button", { type: "submit" }, "Evaluate"), answer);
}

function toLine(number) {
  const definition = $("#definition");
  definition.open = true;
  $$(".line.at", definition).forEach((line) => line.classList.remove("at"));
  const line = $$(".line", definition)[number - 1];
  line?.classList.add("at");
  line?.scrollIntoView({ block: "center" });
}

// ── What is new ──────────────────────────────────────────────────────────────────────────────────

/** Whether somebody is about to use a part of the page, which must then stay as it is. */
const isInUse = (part) => part.contains(document.activeElement) || $("details.act[open]", part) != null;

function live() {
  const source = document.body.dataset.live;
  if (!source) return;
  const sign = $("#live");
  sign.hidden = false;
  let stream = null;
  let known = null;
  let isOver = false;
  const refresh = $("sw-events") ? () => refreshExecution(source.replace("/live?", "/parts?")) : refreshList;
  let running = false;
  let again = false;
  const run = async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      do {
        again = false;
        isOver = (await refresh()) === true;
        // What changes all the time is looked at a few times a second.
        await new Promise((resolve) => setTimeout(resolve, 250));
      } while (again);
    } catch {
      sign.classList.add("off");
    }
    running = false;
  };
  const begin = () => {
    if (stream || document.hidden) return;
    stream = new EventSource(source);
    stream.addEventListener("open", () => sign.classList.remove("off"));
    stream.addEventListener("error", () => sign.classList.add("off"));
    stream.addEventListener("change", ({ data }) => {
      // The first one says how it is; the page may have been drawn before.
      if (data !== known || data === "{}") run();
      known = data;
    });
  };
  // A page that nobody sees needs no connection, of which a browser has few.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      stream?.close();
      stream = null;
    } else begin();
  });
  begin();
  // Durations go on while nothing happens.
  setInterval(() => !document.hidden && $("sw-events") && !isOver && run(), 10_000);
}

async function refreshExecution(path) {
  const { rows, isOver, states, parts, acts } = await get(path);
  for (const [name, html] of Object.entries(parts)) {
    const part = $(`[data-part="${name}"]`);
    if (!part || part.shows === html || isInUse(part)) continue;
    part.shows = html;
    const opened = $$("details", part).map((details) => details.open);
    part.innerHTML = html;
    $$("details", part).forEach((details, at) => (details.open = opened[at] ?? false));
  }
  const place = $(".title > .acts");
  if (place && place.shows !== acts && !isInUse(place)) {
    place.shows = acts;
    place.innerHTML = acts;
  }
  $("sw-graph")?.apply?.(states);
  const events = $("sw-events");
  events.total = rows;
  events.grow(rows);
  return isOver;
}

async function refreshList() {
  const response = await fetch(location.href, HTML);
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  const chosen = rows().findIndex((row) => row.classList.contains("at"));
  for (const part of $$("[data-fresh]")) {
    const next = $(`[data-fresh="${part.dataset.fresh}"]`, fresh);
    if (!next || isInUse(part) || next.innerHTML === (part.shows ?? part.innerHTML)) continue;
    part.shows = next.innerHTML;
    part.replaceChildren(...next.childNodes);
  }
  // What was selected stays so.
  rows()[chosen]?.classList.add("at");
}

// ── Keys and looks ───────────────────────────────────────────────────────────────────────────────

function turnLooks() {
  const root = document.documentElement;
  const isDark = getComputedStyle(root).colorScheme === "dark";
  const looks = isDark ? "light" : "dark";
  root.dataset.looks = looks;
  document.cookie = `stepwright-looks=${looks}; Path=/; Max-Age=31536000; SameSite=Strict`;
  say(looks === "dark" ? "Dark" : "Light");
}

/** The rows of the page's lists. */
const rows = () => $$("[data-list] tbody tr, ul[data-list] li");

/** Selects the next or previous row. */
function move(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("at"));
  const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
  all[at]?.classList.remove("at");
  next.classList.add("at");
  next.scrollIntoView({ block: "nearest" });
  say(next.textContent.trim().replace(/\s+/g, " "));
}

function keys() {
  let goes = false;
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      $$("details.act[open]").forEach((details) => {
        details.open = false;
        $("summary", details).focus();
      });
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select, dialog")) return;
    if (goes) {
      goes = false;
      const entry = $(`[data-go="${CSS.escape(event.key)}"]`);
      if (entry) location.assign(entry.href);
      return;
    }
    const acts = {
      "?": () => $("#keys")?.showModal(),
      "/": () => $(".find input")?.focus(),
      g: () => (goes = true),
      t: turnLooks,
      j: () => move(1),
      k: () => move(-1),
      r: () => $("#newest-first")?.click(),
      Enter: () => event.target === document.body && $(".at a")?.click(),
    };
    if (!acts[event.key]) return;
    if (event.key !== "Enter") event.preventDefault();
    acts[event.key]();
  });
  $("#help")?.addEventListener("click", () => $("#keys").showModal());
  $("#looks")?.addEventListener("click", turnLooks);
  // One form at a time; the first field is what one wants.
  document.addEventListener(
    "toggle",
    (event) => {
      const details = event.target;
      if (!details.open || !details.matches?.("details.act")) return;
      $$("details.act[open]").forEach((other) => other !== details && (other.open = false));
      $("input:not([type=hidden]), textarea, select, button", $("form", details))?.focus();
    },
    true,
  );
  document.addEventListener("click", (event) => {
    if (!event.target.closest("details.act")) $$("details.act[open]").forEach((details) => (details.open = false));
  });
}

// ── Begin ────────────────────────────────────────────────────────────────────────────────────────

// What follows `#` in an address of AWS's console is known to the browser only.
if (location.pathname === "/states/home" && location.hash.length > 1 && $("#of-aws")) {
  let hash = location.hash;
  try {
    hash = decodeURIComponent(hash);
  } catch {
    // It is meant as it is.
  }
  location.replace(`/states/home?to=${encodeURIComponent(hash)}`);
}
const next = $("[data-next]");
if (next) {
  next.value += location.hash;
  const provider = $("[data-provider]");
  if (provider) {
    const to = new URL(provider.href);
    to.searchParams.set("next", next.value);
    provider.href = to.href;
  }
  // Whoever is logged in and follows a link on another site comes without the cookie. From here it is sent.
  const again = new URL(location.href);
  if (!again.searchParams.has("again")) {
    fetch(location.href, { method: "HEAD", ...HTML }).then((known) => {
      again.searchParams.set("again", "");
      if (known.ok) location.replace(again);
    });
  }
}
for (const graph of $$("sw-graph[data-picks]")) {
  // A state that is chosen in the drawing is chosen in the form.
  graph.mark(graph.dataset.mark);
  graph.addEventListener("choose", ({ detail }) => {
    const form = document.getElementById(graph.dataset.picks);
    const field = form.elements.state;
    // Those of the top level come first. What is within one of them is not in the list.
    const name = graph.states.get(detail).named.replace(/^\w+: /, "");
    if (!field.options[detail]) field.append(new Option(name, name));
    field.selectedIndex = Math.min(Number(detail), field.options.length - 1);
    form.submit();
  });
}
keys();
execution();
live();
const start = $("[data-open] details.act");
if (start) start.open = true;
