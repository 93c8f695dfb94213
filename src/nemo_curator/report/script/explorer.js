// The threshold explorer: a slider over one score that tells at once how many images pass, and shows the nearest ones.

const explorer = (() => {
  const section = document.getElementById("scores");
  if (!section || !store.axes.some((axis) => axis.count)) return null;
  const get = (name) => document.getElementById(`explore-${name}`);
  const [select, operator, box, slider] = ["score", "operator", "value", "slider"].map(get);
  const chart = histogramIn(get("chart"), (value) => set(nearestStop(value)));
  const state = { axis: 0, value: 0, rule: "", asked: 0 };
  const NEAR = 6;

  const axisNow = () => store.axes[state.axis];

  function nearestStop(value) {
    const { stops } = axisNow();
    const at = Math.min(stops.length - 1, lowerBound(stops, value));
    return at > 0 && value - stops[at - 1] < stops[at] - value ? stops[at - 1] : stops[at];
  }

  /** A name for a rule, as YAML reads it. */
  const key = (text) => (/^[A-Za-z_][\w-]*$/.test(text) ? text : `'${text.replaceAll("'", "''")}'`);

  function expression() {
    return `${axisNow().name} ${operator.value} ${Number(state.value)}`;
  }

  function recipeLine() {
    const text = expression();
    const plain = /^[A-Za-z(]/.test(text) && !/: |\s#|["\\]/.test(text);
    return `${key(state.rule)}: ${plain ? text : `'${text.replaceAll("'", "''")}'`}`;
  }

  function command() {
    return `imagecurator decide ${store.place} --rule '${`${state.rule}=${expression()}`.replaceAll("'", "'\\''")}'`;
  }

  function quantiles() {
    const axis = axisNow();
    const names = store.shares.map((share) => ({ 0: "min", 1: "max", 0.5: "median" })[share] ?? `${100 * share}${PERCENT}`);
    get("quantiles").replaceChildren(...axis.quantiles.map((value, at) => element(
      "div", {}, element("dt", {}, names[at]), element("dd", { class: "num" }, numberText(value)),
    )));
    const [left, right] = axis.outside;
    const beyond = left + right
      ? ` ${plural(left + right, "image")} ${left + right === 1 ? "lies" : "lie"} outside of the chart, which would be too wide to read.` : "";
    get("meaning").textContent = `${axis.meaning}${axis.unit ? ` (${axis.unit})` : ""}${axis.meaning ? "." : ""}${beyond}`;
    get("chart").setAttribute("aria-label",
      `Histogram of ${axis.name}: half of ${plural(axis.count, "image")} lie between ${numberText(axis.quantiles[2])} and ${numberText(axis.quantiles[4])}`);
  }

  function rules() {
    const axis = axisNow();
    get("rules").replaceChildren(...axis.thresholds.map((one) => element(
      "button",
      { type: "button", class: "plain", onclick: () => take(one) },
      "back to ", isolated(one.rule), `: ${one.operator} ${numberText(one.value)}${one.moving ? " (a quantile)" : ""}`,
    )));
  }

  function take(one) {
    state.rule = one.rule;
    operator.value = one.operator;
    set(one.value);
  }

  const pictures = (place, images) => {
    const list = get(place).querySelector(".grid");
    list.replaceChildren(...(images.length
      ? images.map((image) => figureOf(image, images, numberText(image.value(state.axis)), { bare: true }))
      : [element("p", { class: "soft" }, "No picture on this side.")]));
  };

  async function tell() {
    state.asked += 1;
    const asked = state.asked;
    const axis = axisNow();
    showNear();
    const found = await store.count(state.axis, operator.value, state.value);
    if (asked !== state.asked || found === null) return;
    get("passing").textContent = found.passing.toLocaleString("en-US");
    get("share").textContent = `of ${plural(store.readable, "readable image")} pass (${shareText(found.passing, store.readable)})`;
    get("rejected").textContent = `${plural(found.rejected, "image")} would be rejected by this rule alone; of the ${plural(axis.kept + axis.keptMissing, "image")} kept now it would take ${found.kept.toLocaleString("en-US")}.`;
    get("missing").textContent = axis.missing ? `${plural(axis.missing, "image")} without a value pass${axis.missing === 1 ? "es" : ""} too.` : "";
    get("line").textContent = recipeLine();
    get("command").textContent = command();
    slider.setAttribute("aria-valuetext", `${numberText(state.value)}: ${plural(found.passing, "image")} pass`);
  }

  const showNear = settled(async () => {
    const asked = state.asked;
    const near = await store.near(state.axis, state.value, NEAR);
    if (asked !== state.asked) return;
    const low = operator.value.startsWith("<");
    get("below").querySelector("h4").textContent = `Just below: ${low ? "rejected" : "passing"}`;
    get("above").querySelector("h4").textContent = `At it or just above: ${low ? "passing" : "rejected"}`;
    get("below").className = low ? "side out" : "side in";
    get("above").className = low ? "side in" : "side out";
    pictures("below", near.below);
    pictures("above", near.above);
  }, store.patience);

  /** Take a threshold; where not every value is known, the nearest stop of the slider. */
  function set(value) {
    const axis = axisNow();
    state.value = axis.every ? value : nearestStop(value);
    box.value = String(state.value);
    slider.value = String(Math.min(axis.stops.length - 1, lowerBound(axis.stops, state.value)));
    chart.show(axis, { value: state.value, operator: operator.value });
    tell();
  }

  /** Look at another score. */
  function choose(at) {
    state.axis = at;
    select.value = String(at);
    const axis = axisNow();
    slider.max = String(axis.stops.length - 1);
    get("steps").textContent = axis.every ? "" : "Counted at the stops of the slider; another number is taken to the nearest one.";
    quantiles();
    rules();
    const [first] = axis.thresholds;
    if (first) take(first);
    else {
      state.rule = axis.name.replace(/\W+/g, "_").replace(/^_|_$/g, "") || "rule";
      operator.value = "<";
      set(nearestStop(axis.quantiles[1]));
    }
  }

  store.axes.forEach((axis, at) => {
    if (!axis.count) return;
    const parent = select.querySelector(axis.thresholds.length ? "[data-ruled]" : "[data-free]");
    parent.append(option(at, axis.name));
  });
  for (const group of [...select.querySelectorAll("optgroup")]) if (!group.children.length) group.remove();
  select.addEventListener("change", () => choose(Number(select.value)));
  operator.addEventListener("change", () => set(state.value));
  slider.addEventListener("input", () => set(axisNow().stops[Number(slider.value)]));
  box.addEventListener("change", () => { if (box.value !== "" && Number.isFinite(Number(box.value))) set(Number(box.value)); });
  get("copy").addEventListener("click", () => copyText(recipeLine(), get("copy")));
  get("copy-command").addEventListener("click", () => copyText(command(), get("copy-command")));
  document.addEventListener("veils", tell);
  for (const button of document.querySelectorAll("button[data-axis]")) {
    button.addEventListener("click", () => {
      choose(Number(button.dataset.axis));
      section.scrollIntoView();
      select.focus({ preventScroll: true });
    });
  }
  const differs = (axis) => axis.count > 0 && axis.quantiles[0] !== axis.quantiles.at(-1);
  const first = [
    (axis) => differs(axis) && axis.thresholds.some(({ value }) => value >= axis.quantiles[0] && value <= axis.quantiles.at(-1)),
    (axis) => differs(axis) && axis.thresholds.length > 0,
    differs,
  ].map((fits) => store.axes.findIndex(fits)).find((at) => at >= 0);
  choose(first ?? Number(select.value));
  return { choose, rule: () => [state.rule, expression()] };
})();
