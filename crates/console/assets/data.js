// JSON as a tree, and what differs between two values.

import { $, make, visible } from "./base.js";

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

export class JsonTree extends HTMLElement {
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

/** The parts of two values that differ, as `same` numbers them: equal values have one number. */
function numbers() {
  const known = new Map();
  return function number(node) {
    if (node.number != null) return node.number;
    let text;
    if (node.kind === "array") text = `[${node.members.map(([, member]) => number(member))}]`;
    else if (node.kind === "object") text = `{${node.members.map(([key, member]) => `${JSON.stringify(key)}:${number(member)}`).sort()}}`;
    else text = `${node.kind}:${node.text}`;
    if (!known.has(text)) known.set(text, known.size);
    return (node.number = known.get(text));
  };
}

/** How many lines of differences are shown. */
const LINES = 400;

/** The pairs of members to compare: those of objects by key, items of arrays by what stands before and behind. */
function pairs(before, after, number) {
  if (before.kind === "object") {
    const old = new Map(before.members);
    const all = after.members.map(([key, member]) => [key, old.get(key), member]);
    const fresh = new Set(after.members.map(([key]) => key));
    return [...all, ...before.members.filter(([key]) => !fresh.has(key)).map(([key, member]) => [key, member])];
  }
  const [one, other] = [before, after].map(({ members }) => members.map(([, member]) => member));
  const least = Math.min(one.length, other.length);
  let head = 0;
  while (head < least && number(one[head]) === number(other[head])) head += 1;
  let tail = 0;
  while (tail < least - head && number(one.at(-1 - tail)) === number(other.at(-1 - tail))) tail += 1;
  const found = [];
  for (let at = 0; at < head; at += 1) found.push([at, one[at], other[at]]);
  const [left, right] = [one.length - tail, other.length - tail];
  for (let at = head; at < Math.max(left, right); at += 1) found.push([at, at < left ? one[at] : undefined, at < right ? other[at] : undefined]);
  for (let at = 0; at < tail; at += 1) found.push([right + at, one[left + at], other[right + at]]);
  return found;
}

/** What differs between two texts of JSON: each difference has a sign and a word, not only a colour. */
export class Difference extends HTMLElement {
  compare(before, after) {
    const label = this.dataset.label ?? "Differences";
    this.tabIndex = 0;
    this.setAttribute("role", "region");
    this.setAttribute("aria-label", label);
    this.lines = 0;
    this.counts = { added: 0, removed: 0, changed: 0 };
    try {
      const number = numbers();
      const [old, fresh] = [read(before), read(after)];
      if (number(old) === number(fresh)) return this.replaceChildren(make("p", { class: "dim" }, "Nothing differs."));
      const list = make("ul", { "aria-label": label });
      this.add(list, null, old, fresh, number);
      const said = Object.entries(this.counts).filter(([, count]) => count).map(([word, count]) => `${count} ${word}`);
      const more = this.lines > LINES ? `; the first ${LINES} are shown` : "";
      this.replaceChildren(make("p", { class: "dim" }, `${said.join(", ")}${more}`), list);
    } catch {
      this.replaceChildren(make("p", { class: "dim" }, "This is too deep, or no JSON, and cannot be compared."));
    }
  }

  /** Adds what differs between two values under a key; either may be missing. */
  add(list, key, before, after, number) {
    if (before && after && number(before) === number(after)) return;
    const isBranch = ({ kind }) => kind === "object" || kind === "array";
    if (before && after && before.kind === after.kind && isBranch(before)) {
      const inner = make("ul");
      const all = pairs(before, after, number);
      for (const [name, old, fresh] of all) this.add(inner, name, old, fresh, number);
      const same = all.filter(([, old, fresh]) => old && fresh && number(old) === number(fresh)).length;
      if (same && inner.firstChild) inner.append(make("li", { class: "same" }, `${same} unchanged`));
      const [begin, end] = before.kind === "object" ? "{}" : "[]";
      // What an earlier line has used up is not shown.
      if (inner.firstChild) list.append(make("li", {}, ...this.name(key), begin, inner, end));
      return;
    }
    const word = before && after ? "changed" : after ? "added" : "removed";
    this.counts[word] += 1;
    this.lines += 1;
    if (this.lines > LINES) return;
    const line = make("li", { class: word }, make("span", { class: "sign", "aria-hidden": "true" }, { added: "+", removed: "−", changed: "~" }[word]), make("span", { class: "unseen" }, `${word}: `), ...this.name(key));
    if (before) line.append(make("del", {}, brief(before)));
    if (before && after) line.append(" → ");
    if (after) line.append(make("ins", {}, brief(after)));
    list.append(line);
  }

  name(key) {
    return key == null ? [] : [make("span", { class: "key" }, visible(String(key))), ": "];
  }
}

/** A value on one line, cut where it is long. */
function brief(node, most = 300) {
  const parts = [];
  let left = most;
  const put = (text) => {
    if (left > 0) parts.push(text.length > left ? `${text.slice(0, left)}…` : text);
    left -= text.length;
  };
  const walk = ({ kind, text, members }) => {
    if (left <= 0) return;
    if (!members) return put(kind === "string" ? JSON.stringify(text.slice(0, most + 1)) : text);
    put(kind === "object" ? "{" : "[");
    members.slice(0, most).forEach(([key, member], at) => {
      if (at) put(", ");
      if (kind === "object") put(`${JSON.stringify(key)}: `);
      walk(member);
    });
    put(kind === "object" ? "}" : "]");
  };
  walk(node);
  return visible(parts.join(""));
}

customElements.define("sw-json", JsonTree);
customElements.define("sw-diff", Difference);
