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

const CHART_LEFT = 54; // room left of a chart, for the words of its upward axis

/** Room for words at the left of a chart: never less than others have, so that charts stand in line. */
const roomFor = (() => {
  const ctx = document.createElement("canvas").getContext("2d");
  return (_, words) => {
    ctx.font = theme.font;
    return Math.ceil(Math.max(CHART_LEFT, ...(words ?? []).map((one) => ctx.measureText(one ?? "").width + 12)));
  };
})();

/** Ticks of an axis of magnitudes: powers of ten alone, one for so many pixels at most; `side` is the length. */
function magnitudes(side, pixels) {
  return {
    splits: (u, _, low, high) => powersOfTen(low, high, (u[side] - CHART_LEFT) / pixels),
    filter: (_, splits) => splits,
  };
}

/** What every chart has: axes in the colours of the page; `log` and `upLog` where they tell magnitudes. */
function chartAxes(format, { log = false, upLog = false } = {}) {
  const ink = theme.colour("soft");
  const line = { stroke: theme.colour("line"), width: 1 };
  return [
    { stroke: ink, grid: { show: false }, ticks: line, font: theme.font, size: 30, gap: 4, values: format, ...(log ? magnitudes("width", 60) : {}) },
    { stroke: ink, grid: line, ticks: { show: false }, font: theme.font, size: roomFor, gap: 6, ...(upLog ? magnitudes("height", 40) : {}) },
  ];
}
