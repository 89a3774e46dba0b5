// The drawing of a state machine, which can be moved and enlarged, and shows what has become of its states.

import { $, $$, draw, make } from "./base.js";

/** The shapes of what has become of a state, around (0, 0). */
const SIGNS = {
  succeeded: "M-4 .5 -1 3.5 4.5 -3.5",
  failed: "M-3.5 -3.5 3.5 3.5M3.5 -3.5 -3.5 3.5",
  caught: "M0 -4.5V1M0 3.2V4.4",
  aborted: "M-3.5 -3.5H3.5V3.5H-3.5Z",
  running: "M0 -4A4 4 0 1 1 -4 0",
  retrying: "M3.5 -2A4 4 0 1 0 4 1M4 -4.5V-1.5H1",
};

export class Graph extends HTMLElement {
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

customElements.define("sw-graph", Graph);
