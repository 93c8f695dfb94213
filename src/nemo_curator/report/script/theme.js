// Colours of the style sheet for what is drawn on a canvas, and a word to the charts when they change.

const theme = (() => {
  const listeners = [];
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", () => listeners.forEach((listener) => listener()));
  return {
    /** The value of a colour of the style sheet. */
    colour(name) {
      return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    },
    /** Call something whenever colours change. */
    onChange(listener) {
      listeners.push(listener);
    },
    font: "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
  };
})();

/** The colour of a group of images, by its verdict. */
function groupColour(at) {
  const group = store.groups[at];
  const names = { keep: "keep", reject: "reject", duplicate: "duplicate", quarantine: "quarantine" };
  return theme.colour(names[group.verdict] ?? "inputs");
}

/** A place between 0 and 1 on a scale that is as readable in grey, from dark to light or the other way round. */
function scaleColour(share) {
  const from = theme.colour("scale-low").split(/[ ,]+/).map(Number);
  const middle = theme.colour("scale-middle").split(/[ ,]+/).map(Number);
  const to = theme.colour("scale-high").split(/[ ,]+/).map(Number);
  const [start, end, part] = share < 0.5 ? [from, middle, 2 * share] : [middle, to, 2 * share - 1];
  return `rgb(${start.map((one, at) => Math.round(one + part * (end[at] - one))).join(" ")})`;
}

/** Powers of ten between two ends, so many at most; where there are fewer than two, the ends themselves. */
function powersOfTen(low, high, most) {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  if (last <= first) return [low, high];
  const step = Math.ceil((last - first + 1) / Math.max(2, most));
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, at) => Number(`1e${first + at * step}`));
}

/** Words of ticks; those that would be cut off at the right end are left out. */
function tickWords(u, ticks) {
  const right = u.bbox.left / devicePixelRatio + u.bbox.width / devicePixelRatio + CHART_RIGHT;
  return ticks.map((tick) => {
    if (tick === null) return "";
    const words = numberText(tick);
    const middle = u.bbox.left / devicePixelRatio + u.valToPos(tick, "x");
    return middle + words.length * 3.4 > right ? "" : words;
  });
}

const CHART_RIGHT = 26; // room right of a chart, for half of the last tick's words

/** What every chart has: axes in the colours of the page. */
function chartAxes(format, { log = false } = {}) {
  const ink = theme.colour("soft");
  const line = { stroke: theme.colour("line"), width: 1 };
  return [
    { stroke: ink, grid: { show: false }, ticks: line, font: theme.font, size: 30, gap: 4, values: format, ...(log ? { splits: (u, _, low, high) => powersOfTen(low, high, (u.width - 54) / 60), filter: (_, splits) => splits } : {}) },
    { stroke: ink, grid: line, ticks: { show: false }, font: theme.font, size: 54, gap: 6 },
  ];
}
