"use strict";
// Words and elements: numbers as people read them, and elements that hold text from strangers as text alone.

const MINUS = "\u2212";
const PERCENT = "\u00a0%"; // no line ends between a number and its sign

/** A number with four significant digits, thousands set apart; whole numbers in full. */
function numberText(value) {
  if (typeof value === "string") return value;
  if (value === null || value === undefined || Number.isNaN(value)) return "\u2013";
  if (!Number.isFinite(value)) return value > 0 ? "\u221e" : `${MINUS}\u221e`;
  let text;
  if (Number.isInteger(value) && Math.abs(value) < 1e15) text = value.toLocaleString("en-US");
  else if (Math.abs(value) >= 1000 && Math.abs(value) < 1e15) text = Math.round(value).toLocaleString("en-US");
  else if (value !== 0 && Math.abs(value) < 1e-4) text = value.toExponential(3).replace(/\.?0+e/, "e");
  else text = String(Number(value.toPrecision(4)));
  return text.replace("-", MINUS);
}

/** A share as a percentage that never rounds something to nothing, nor almost all to all. */
function shareText(count, whole) {
  const share = whole ? count / whole : 0;
  if (share > 0 && share < 0.001) return `< 0.1${PERCENT}`;
  if (share > 0.999 && share < 1) return `> 99.9${PERCENT}`;
  return `${(100 * share).toFixed(1).replace(/\.0$/, "")}${PERCENT}`;
}

/** `1 image`, `2 images`. */
function plural(count, noun) {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

/** An element with attributes, listeners (`onclick`) and children; a string becomes text, nothing else. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, String(value));
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

/** An option of a select. */
function option(value, text) {
  return element("option", { value }, text);
}

/** Text that may be read from right to left, kept from reordering what is around it. */
function isolated(text, kind = "") {
  return element("bdi", kind ? { class: kind } : {}, text);
}

/** Say something to who cannot see it change. */
function announce(text) {
  document.getElementById("announced").textContent = text;
}

/** Put a text where pasting finds it; tells on the button whether that worked. */
async function copyText(text, button) {
  const label = button.dataset.label ?? (button.dataset.label = button.textContent);
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = element("textarea", { class: "unseen", readonly: true });
    field.value = text;
    document.body.append(field);
    field.select();
    done = document.execCommand("copy");
    field.remove();
    button.focus();
  }
  button.textContent = done ? "Copied" : "Select it by hand";
  announce(button.textContent);
  setTimeout(() => { button.textContent = label; }, 1600);
}
