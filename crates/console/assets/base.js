// What every part of the script uses.

export const $ = (selector, within = document) => within.querySelector(selector);
export const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

/** An element with attributes and children; texts are texts, whatever they hold. */
export function make(name, attributes = {}, ...children) {
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

export function draw(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text != null) element.textContent = text;
  return element;
}

const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/gu;

/** A text in which every character can be seen: what hides or turns others is shown by its name. */
export function visible(text) {
  return text.replace(HIDDEN, (c) => {
    const code = c.codePointAt(0);
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return "␡";
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

export const say = (text) => {
  const said = $("#said");
  if (said) said.textContent = text;
};

/** Without the text of a page among what is accepted, a browser would ask for a login by itself. */
export const JSON_ = { headers: { accept: "application/json, text/html;q=0.1" } };
export const HTML = { headers: { accept: "text/html" } };

export async function get(path) {
  const response = await fetch(path, JSON_);
  // The login has ended; the page of the next one leads back here.
  if (response.status === 401) location.reload();
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  return response.json();
}
