// The script of the console: what moves. Pages can be read, and forms sent, without it.

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

/** An element with attributes and children; texts are texts, whatever they hold. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

function draw(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text != null) element.textContent = text;
  return element;
}

const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/gu;

/** A text in which every character can be seen: what hides or turns others is shown by its name. */
function visible(text) {
  return text.replace(HIDDEN, (c) => {
    const code = c.codePointAt(0);
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return "␡";
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

const say = (text) => {
  const said = $("#said");
  if (said) said.textContent = text;
};

/** Without the text of a page among what is accepted, a browser would ask for a login by itself. */
const JSON_ = { headers: { accept: "application/json, text/html;q=0.1" } };
const HTML = { headers: { accept: "text/html" } };

async function get(path) {
  const response = await fetch(path, JSON_);
  // The login has ended; the page of the next one leads back here.
  if (response.status === 401) location.reload();
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  return response.json();
}

// ── JSON ─────────────────────────────────────────────────────────────────────────────────────────

/** Reads JSON, with numbers as they are written: JavaScript's have too few digits. */
function read(text) {
  let at = 0;
  const token = /\s*(?:([{}[\],:])|("(?:[^"\\]|\\.)*")|(-?\d[\d.eE+-]*)|(true|false|null))/sy;
  const next = () => {
    token.lastIndex = at;
    const match = token.exec(text);
    if (!match) throw new Error("no JSON");
    at = token.lastIndex;
    return match;
  };
  const peek = () => {
    const before = at;
    const match = next();
    at = before;
    return match[1];
  };
  const value = (match) => {
    if (match[2]) return { kind: "string", text: JSON.parse(match[2]) };
    if (match[3]) return { kind: "number", text: match[3] };
    if (match[4]) return { kind: "word", text: match[4] };
    const members = [];
    if (match[1] === "[") {
      if (peek() === "]") return next(), { kind: "array", members };
      for (;;) {
        members.push([members.length, value(next())]);
        if (next()[1] === "]") return { kind: "array", members };
      }
    }
    if (match[1] !== "{") throw new Error("no JSON");
    if (peek() === "}") return next(), { kind: "object", members };
    for (;;) {
      const key = JSON.parse(next()[2]);
      next();
      members.push([key, value(next())]);
      if (next()[1] === "}") return { kind: "object", members };
    }
  };
  return value(next());
}

/** How many members are shown before the rest is asked for, and how many characters of a text. */
const MEMBERS = 100;
const CHARACTERS = 2000;

class JsonTree extends HTMLElement {
  connectedCallback() {
    const shown = $("pre", this);
    if (this.built || !shown) return;
    this.show(shown.textContent);
  }

  show(text) {
    this.built = true;
    let root;
    try {
      root = read(text);
    } catch {
      // Too deep for a tree, or no JSON: the text is shown as it is.
      this.replaceChildren(make("pre", { tabindex: 0, "aria-label": this.dataset.label ?? "Data" }, visible(text)));
      return;
    }
    const copy = make("button", { type: "button", class: "copy", onclick: () => this.copy(text, copy) }, "Copy");
    const list = make("ul", { "aria-label": this.dataset.label ?? "JSON" });
    list.append(this.line(null, root, text.length < 4000 ? 4 : 2));
    this.replaceChildren(copy, list);
    this.tabIndex = 0;
    this.setAttribute("role", "region");
    this.setAttribute("aria-label", this.dataset.label ?? "JSON");
  }

  async copy(text, button) {
    await navigator.clipboard?.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1200);
  }

  line(key, node, open) {
    const line = make("li");
    const name = key == null ? [] : [make("span", { class: "key" }, visible(String(key))), ": "];
    if (node.kind !== "object" && node.kind !== "array") {
      line.append(...name, this.leaf(node));
      return line;
    }
    const [begin, end] = node.kind === "object" ? "{}" : "[]";
    if (node.members.length === 0) {
      line.append(...name, `${begin}${end}`);
      return line;
    }
    const size = `${node.members.length} ${node.kind === "object" ? "member" : "item"}${node.members.length === 1 ? "" : "s"}`;
    const label = key == null ? size : `${visible(String(key))}, ${size}`;
    const fold = make("button", { type: "button", class: "fold", "aria-label": label, "aria-expanded": "false" }, "▸");
    const summary = make("span", { class: "size" }, ` ${size} `);
    const list = make("ul", { hidden: true });
    const toggle = () => {
      const isOpen = list.hidden;
      if (isOpen && !list.firstChild) this.more(list, node, 0, open - 1);
      list.hidden = !isOpen;
      fold.textContent = isOpen ? "▾" : "▸";
      fold.setAttribute("aria-expanded", String(isOpen));
    };
    fold.addEventListener("click", toggle);
    line.append(fold, ...name, begin, summary, end, list);
    if (open > 0 && node.members.length <= MEMBERS) toggle();
    return line;
  }

  more(list, node, from, open) {
    for (const [key, member] of node.members.slice(from, from + MEMBERS)) list.append(this.line(key, member, open));
    const left = node.members.length - from - MEMBERS;
    if (left <= 0) return;
    const button = make("button", { type: "button", class: "more" }, `${left} more`);
    const item = make("li", {}, button);
    button.addEventListener("click", () => {
      item.remove();
      this.more(list, node, from + MEMBERS, open);
    });
    list.append(item);
  }

  leaf({ kind, text }) {
    if (kind !== "string") return make("span", { class: kind }, text);
    const shown = make("span", { class: "string" }, `"${visible(text.slice(0, CHARACTERS))}"`);
    if (text.length <= CHARACTERS) return shown;
    const whole = make("span");
    const button = make("button", { type: "button", class: "more" }, `… all ${text.length} characters`);
    button.addEventListener("click", () => {
      shown.textContent = `"${visible(text)}"`;
      button.remove();
    });
    whole.append(shown, " ", button);
    return whole;
  }
}

// ── Drawings ─────────────────────────────────────────────────────────────────────────────────────

/** The shapes of what has become of a state, around (0, 0). */
const SIGNS = {
  succeeded: "M-4 .5 -1 3.5 4.5 -3.5",
  failed: "M-3.5 -3.5 3.5 3.5M3.5 -3.5 -3.5 3.5",
  caught: "M0 -4.5V1M0 3.2V4.4",
  aborted: "M-3.5 -3.5H3.5V3.5H-3.5Z",
  running: "M0 -4A4 4 0 1 1 -4 0",
  retrying: "M3.5 -2A4 4 0 1 0 4 1M4 -4.5V-1.5H1",
};

class Graph extends HTMLElement {
  connectedCallback() {
    const svg = $("svg", this);
    if (this.svg || !svg) return;
    this.svg = svg;
    const box = svg.viewBox.baseVal;
    this.size = { width: box.width, height: box.height };
    svg.removeAttribute("width");
    svg.removeAttribute("height");
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", "State machine");
    this.states = new Map();
    for (const state of $$("g.state", svg)) {
      this.states.set(state.dataset.state, state);
      const title = $("title", state);
      state.named = title.textContent;
      state.setAttribute("tabindex", "0");
      state.setAttribute("role", "button");
      const choose = () => this.dispatchEvent(new CustomEvent("choose", { detail: state.dataset.state }));
      state.addEventListener("click", () => this.moved || choose());
      state.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          choose();
        }
      });
    }
    const button = (text, label, act) => make("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
    this.append(
      make(
        "div",
        { class: "zoom" },
        button("+", "Larger", () => this.zoom(1.25)),
        button("−", "Smaller", () => this.zoom(0.8)),
        button("⤢", "All of it", () => this.all()),
      ),
    );
    this.listen();
    if (this.dataset.states) this.apply(JSON.parse(this.dataset.states));
    this.fit();
    new ResizeObserver(() => this.isTouched || this.fit()).observe(this);
  }

  listen() {
    const { svg } = this;
    let held = null;
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      held = { x: event.clientX, y: event.clientY, view: { ...this.view } };
      this.moved = false;
    });
    addEventListener("pointermove", (event) => {
      if (!held) return;
      const [x, y] = [event.clientX - held.x, event.clientY - held.y];
      if (!this.moved && Math.hypot(x, y) < 4) return;
      this.moved = this.isTouched = true;
      this.classList.add("held");
      this.look({ ...held.view, x: held.view.x - x / held.view.scale, y: held.view.y - y / held.view.scale });
    });
    addEventListener("pointerup", () => {
      held = null;
      this.classList.remove("held");
    });
    svg.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        this.zoom(event.deltaY < 0 ? 1.12 : 0.89, event.offsetX, event.offsetY);
      },
      { passive: false },
    );
    this.addEventListener("keydown", (event) => {
      const step = 60 / this.view.scale;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      if (event.key === "+" || event.key === "=") this.zoom(1.25);
      else if (event.key === "-") this.zoom(0.8);
      else if (event.key === "0") this.all();
      else if (moves[event.key]) {
        const [x, y] = moves[event.key];
        this.look({ ...this.view, x: this.view.x + x, y: this.view.y + y });
      } else return;
      this.isTouched = true;
      event.preventDefault();
    });
  }

  look(view) {
    this.view = view;
    const { clientWidth: width, clientHeight: height } = this;
    this.svg.setAttribute("viewBox", `${view.x} ${view.y} ${width / view.scale} ${height / view.scale}`);
  }

  /** As large as can be read, from its top, or where the execution is. */
  fit(least = 0.8) {
    const { clientWidth: width, clientHeight: height } = this;
    if (!width || !height) return;
    const whole = Math.min(width / this.size.width, height / this.size.height);
    const scale = Math.min(Math.max(whole, least), 1.2);
    const y = this.size.height * scale <= height ? (this.size.height - height / scale) / 2 : 0;
    const view = { x: (this.size.width - width / scale) / 2, y, scale };
    const here = scale > whole && $("g.running, g.retrying, g.failed", this.svg);
    if (here) {
      const inner = $$("g.running, g.retrying, g.failed", this.svg).find((state) => state.classList.contains("plain")) ?? here;
      const box = $("rect", inner);
      const middle = (side, from) => box[from].baseVal.value + box[side].baseVal.value / 2;
      const within = (at, all, seen) => Math.min(Math.max(at - seen / 2, 0), Math.max(0, all - seen));
      if (this.size.width * scale > width) view.x = within(middle("width", "x"), this.size.width, width / scale);
      view.y = within(middle("height", "y"), this.size.height, height / scale);
    }
    this.look(view);
  }

  all() {
    this.isTouched = true;
    this.fit(0);
  }

  zoom(by, x = this.clientWidth / 2, y = this.clientHeight / 2) {
    this.isTouched = true;
    const { view } = this;
    const scale = Math.min(Math.max(view.scale * by, 0.05), 4);
    this.look({ scale, x: view.x + x / view.scale - x / scale, y: view.y + y / view.scale - y / scale });
  }

  /** Shows what has become of each state: its class, how often, and in words. */
  apply(states) {
    for (const [position, state] of this.states) {
      const [kind, count, words] = states[position] ?? ["", "", ""];
      const key = `${kind}|${count}|${words}`;
      if (state.shows === key) continue;
      state.shows = key;
      state.classList.remove(...Object.keys(SIGNS));
      $$(".sign, .count, .disc", state).forEach((part) => part.remove());
      const label = words ? `${state.named}: ${words}` : state.named;
      $("title", state).textContent = label;
      if (!kind) continue;
      state.classList.add(kind);
      const { x, y, width, height } = $("rect", state);
      const [right, top] = [x.baseVal.value + width.baseVal.value, y.baseVal.value];
      state.append(
        draw("circle", { class: "disc", cx: right - 3, cy: top + 2, r: 8 }),
        draw("path", { class: "sign", d: SIGNS[kind], transform: `translate(${right - 3} ${top + 2}) scale(.9)` }),
      );
      if (count) {
        const middle = top + height.baseVal.value / 2 + 4;
        state.append(draw("text", { class: "count", x: right + 5, y: middle, "font-size": 11 }, `×${count}`));
      }
    }
  }

  /** Marks a state; null marks none. */
  mark(position) {
    for (const [known, state] of this.states ?? []) state.classList.toggle("at", known === String(position));
  }
}

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

customElements.define("sw-json", JsonTree);
customElements.define("sw-graph", Graph);
customElements.define("sw-events", Events);

// ── The page of an execution ─────────────────────────────────────────────────────────────────────

function execution() {
  const events = $("sw-events");
  const graph = $("sw-graph");
  if (!events) return;
  const [chosen, whole, chip] = [$("#chosen"), $("#whole"), $("#of-state")];
  const back = () => {
    chosen.hidden = true;
    whole.hidden = false;
    graph?.mark(null);
  };
  events.addEventListener("choose", ({ detail }) => {
    const tried = (text) => get(`${events.dataset.details}&row=${detail.row}&try=${encodeURIComponent(text)}`);
    chosen.replaceChildren(...shown(detail, back), trying(tried));
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
function shown(detail, back) {
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
  if (detail.line) {
    parts.push(make("p", {}, make("button", { type: "button", onclick: () => toLine(detail.line) }, `Line ${detail.line} of the definition`)));
  }
  if (detail.failure) {
    const [error, cause] = detail.failure;
    if (error) parts.push(make("h3", { class: "failed" }, error));
    if (cause) parts.push(make("pre", { class: "block", tabindex: 0 }, cause));
  }
  for (const [title, text] of detail.values) {
    const tree = make("sw-json", { "data-label": title });
    parts.push(make("h3", {}, title), tree);
    tree.show(text);
  }
  return parts;
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
keys();
execution();
live();
const start = $("[data-open] details.act");
if (start) start.open = true;
