// Elements from text: no string is ever read as markup, and no style is written inline.

export const byId = (id) => document.getElementById(id);

// An element with attributes, listeners (`onclick`) and children; null and false children are left out.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((each) => each !== undefined && each !== null && each !== false));
  return element;
}

const shown = new WeakMap();

// Shows data in a container, unless it is shown already; keeps the focus and the open details, by `data-key`. From the
// button that shows more, the focus goes to the first of them.
export function render(container, data, build) {
  const text = JSON.stringify(data);
  if (shown.get(container) === text) return;
  shown.set(container, text);
  const focused = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const before = container.querySelectorAll("summary").length;
  const open = new Set([...container.querySelectorAll("details[open]")].map((each) => each.dataset.key));
  container.replaceChildren(...[build(data)].flat());
  for (const each of container.querySelectorAll("[data-key]")) {
    if (open.has(each.dataset.key)) each.open = true;
    if (focused !== undefined && each.dataset.key === focused) each.focus({ preventScroll: true });
  }
  if (focused?.startsWith("more ")) container.querySelectorAll("summary")[before]?.focus();
  showTimes();
}

export function announce(text) {
  byId("announcement").textContent = text;
}

// Copies text; where the page is no secure context (plain HTTP on another host) through a selection.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { readonly: true, class: "hidden" });
  area.value = text;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("this browser does not copy here");
}

export function copyButton(text, name, label = "Copy") {
  const onclick = async (event) => {
    const button = event.currentTarget;
    try {
      await copy(text);
      announce(`Copied ${name}`);
      button.classList.add("done");
      setTimeout(() => button.classList.remove("done"), 1200);
    } catch (error) {
      announce(`Not copied: ${error.message}`);
    }
  };
  return h("button", { type: "button", class: label ? "copy" : "copy icon", "data-key": `copy ${text}`, "aria-label": `Copy ${name}`, title: `Copy ${name}`, onclick }, label);
}

// A button that shows more of a list.
export const moreButton = (name, onclick) => h("button", { type: "button", class: "more", "data-key": `more ${name}`, onclick }, `Show more ${name}`);

export const short = (hex, size = 4) => (hex.length > 2 * size + 4 ? `${hex.slice(0, 2 + size)}…${hex.slice(-size)}` : hex);

// A hex value, shortened, with its whole text in a tooltip and in a copy button.
export const hexText = (hex, name, text = short(hex)) => h("span", { class: "hex" }, h("code", { title: hex }, text), copyButton(hex, name, ""));

export const number = (value) => BigInt(value).toLocaleString("en-US");

// A number of things.
export const count = (value, name) => `${number(value)} ${name}${BigInt(value) === 1n ? "" : "s"}`;

// An amount of the native token, with at most `digits` digits after the point; a small one is in wei.
export const native = (value, digits = 6) => (BigInt(value) > 0n && BigInt(value) < 10n ** 12n ? `${number(value)} wei` : `${units(value, 18, digits)} ETH`);

// An amount of the smallest unit as whole tokens, with at most `digits` digits after the point, rounded down.
export function units(value, decimals = 18, digits = 6) {
  const whole = BigInt(value) / 10n ** BigInt(decimals);
  const rest = (BigInt(value) % 10n ** BigInt(decimals)).toString().padStart(decimals, "0").slice(0, digits).replace(/0+$/, "");
  if (whole === 0n && rest === "" && BigInt(value) > 0n) return `<0.${"0".repeat(digits - 1)}1`;
  return rest ? `${whole.toLocaleString("en-US")}.${rest}` : whole.toLocaleString("en-US");
}

// The smallest units of an amount in decimal digits. Throws for any other text.
export function parseUnits(text, decimals = 18) {
  const match = /^(\d{1,30})(?:\.(\d+))?$/.exec(text.trim());
  if (!match || (match[2] ?? "").length > decimals) throw new Error(`amount: expected a decimal number such as 1.5, with at most ${decimals} decimals, got ${text}`);
  return BigInt(match[1] + (match[2] ?? "").padEnd(decimals, "0"));
}

// A time, shown as its distance from the chain's now; `showTimes` keeps it up to date.
export function timeText(seconds, { plain = "" } = {}) {
  const date = new Date(Number(seconds) * 1000);
  const isDate = Number.isFinite(date.getTime());
  return h("time", isDate ? { datetime: date.toISOString(), title: date.toLocaleString() } : {}, isDate ? "" : plain || "never");
}

let ahead = 0;

// Has times shown by a clock that is some seconds ahead of this machine's.
export function setClock(seconds) {
  ahead = seconds;
  showTimes();
}

const STEPS = [["s", 60], ["min", 60], ["h", 24], ["d", 365], ["y", Infinity]];

export function showTimes() {
  for (const each of document.querySelectorAll("time[datetime]")) {
    const seconds = Math.round((Date.parse(each.dateTime) - Date.now()) / 1000 - ahead);
    let amount = Math.abs(seconds);
    const step = STEPS.find(([, size]) => amount < size || ((amount = Math.floor(amount / size)), false));
    const text = amount < 1 ? "now" : seconds > 0 ? `in ${amount} ${step[0]}` : `${amount} ${step[0]} ago`;
    if (each.textContent !== text) each.textContent = text;
  }
}
