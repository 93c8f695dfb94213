// A cloud of points, one an image: shows the picture of the one that is pointed at, and opens it.

/** A cloud in a place; with `pictures`, those for which there is room are drawn where their images lie. */
function cloudIn(place, name, pictures = null) {
  const card = element("div", { class: "card", hidden: true });
  let chart = null;
  let shown = null;
  let at = -1;

  const coloured = () => {
    if (shown.points.colours === null) {
      const known = store.groups.map((_, group) => groupColour(group));
      return shown.points.groups.map((group) => known[group]);
    }
    const axis = store.axes[shown.colour];
    const [low, high] = [axis.quantiles[1], axis.quantiles[5]];
    return shown.points.colours.map((value) => (Number.isNaN(value)
      ? theme.colour("bar")
      : scaleColour(high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5)));
  };

  /** The colour of each point: found once, until what is shown or the theme changes, and not at each move. */
  const colours = () => (shown.paints ??= coloured());

  const paint = (u) => {
    const { ctx } = u;
    const { x, y } = shown.points;
    const size = (x.length > 1500 ? 2 : 3) * devicePixelRatio;
    const paints = colours();
    ctx.save();
    for (const axis of [shown.xAxis, shown.yAxis]) {
      if (!axis) continue;
      const across = axis === shown.xAxis;
      ctx.strokeStyle = theme.colour("reject");
      ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
      for (const { value } of axis.thresholds) {
        const scale = u.scales[across ? "x" : "y"];
        if (value < scale.min || value > scale.max) continue;
        const place_ = u.valToPos(value, across ? "x" : "y", true);
        ctx.beginPath();
        ctx.moveTo(across ? place_ : u.bbox.left, across ? u.bbox.top : place_);
        ctx.lineTo(across ? place_ : u.bbox.left + u.bbox.width, across ? u.bbox.top + u.bbox.height : place_);
        ctx.stroke();
      }
    }
    ctx.setLineDash([]);
    ctx.globalAlpha = 0.75;
    for (let index = 0; index < x.length; index += 1) {
      ctx.fillStyle = paints[index];
      ctx.beginPath();
      ctx.arc(u.valToPos(x[index], "x", true), u.valToPos(y[index], "y", true), size, 0, 2 * Math.PI);
      ctx.fill();
    }
    ctx.globalAlpha = 1;
    scatter(u);
    if (at >= 0) {
      ctx.strokeStyle = theme.colour("ink");
      ctx.lineWidth = 2 * devicePixelRatio;
      ctx.beginPath();
      ctx.arc(u.valToPos(x[at], "x", true), u.valToPos(y[at], "y", true), size + 3 * devicePixelRatio, 0, 2 * Math.PI);
      ctx.stroke();
    }
    ctx.restore();
  };

  /** Pictures in cells of a grid, one a cell, so that they do not cover each other; what may be unsafe stays a point. */
  const scatter = (u) => {
    const side = Math.max(30, Math.min(52, u.over.clientWidth / 20));
    const taken = new Set();
    const paints = colours();
    shown.drawn.forEach(({ index, bitmap }) => {
      const [left, top] = [u.valToPos(shown.points.x[index], "x"), u.valToPos(shown.points.y[index], "y")];
      const cell = `${Math.round(left / side)} ${Math.round(top / side)}`;
      if (taken.has(cell)) return;
      taken.add(cell);
      const scale = (side - 6) / Math.max(bitmap.naturalWidth, bitmap.naturalHeight);
      const [width, height] = [bitmap.naturalWidth * scale * devicePixelRatio, bitmap.naturalHeight * scale * devicePixelRatio];
      const across = Math.round(left / side) * side * devicePixelRatio + u.bbox.left - width / 2;
      const down = Math.round(top / side) * side * devicePixelRatio + u.bbox.top - height / 2;
      const edge = 2 * devicePixelRatio;
      u.ctx.fillStyle = paints[index];
      u.ctx.fillRect(across - edge, down - edge, width + 2 * edge, height + 2 * edge);
      u.ctx.drawImage(bitmap, across, down, width, height);
    });
  };

  /** Decode the pictures of some points, once. */
  async function prepare() {
    shown.drawn = [];
    if (!pictures?.checked) return;
    const mine = shown;
    const wanted = mine.points.rows.map((row, index) => ({ row, index })).filter(({ index }) => mine.points.pictured[index]);
    for (const { row, index } of wanted) {
      const image = await store.image(row);
      if (!image.picture || (image.unsafe && !veils.lifted)) continue;
      const bitmap = new Image();
      bitmap.src = image.picture;
      try {
        await bitmap.decode();
      } catch {
        continue;
      }
      if (mine !== shown) return;
      mine.drawn.push({ index, bitmap });
      if (mine.drawn.length % 25 === 0) chart?.redraw(false);
    }
    chart?.redraw(false);
  }

  const range = (values, log) => {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) { if (value < low) low = value; if (value > high) high = value; }
    if (!(high > low)) return [low - 1, high + 1];
    if (log) return [low / 1.1, high * 1.1];
    const pad = (high - low) * (pictures ? 0.08 : 0.04);
    return [low - pad, high + pad];
  };

  const nearest = (event) => {
    const box = chart.over.getBoundingClientRect();
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    let [best, reach] = [-1, 24 * 24];
    shown.points.x.forEach((value, index) => {
      const away = (chart.valToPos(value, "x") - left) ** 2 + (chart.valToPos(shown.points.y[index], "y") - top) ** 2;
      if (away < reach) [best, reach] = [index, away];
    });
    return best;
  };

  async function point(index, spoken = false) {
    if (index === at) return;
    at = index;
    chart?.redraw(false);
    card.hidden = index < 0;
    if (index < 0) return;
    const image = await store.image(shown.points.rows[index]);
    if (index !== at) return;
    const values = [shown.xAxis, shown.yAxis].filter(Boolean)
      .map((axis) => `${axis.name} ${numberText(image.value(store.axes.indexOf(axis)))}`);
    card.replaceChildren(
      image.has ? matOf(image) : "",
      isolated(image.id, "id"),
      ...values.map((text) => element("span", { class: "num" }, text)),
      element("span", { class: `fate ${store.groups[image.group].verdict}` }, verdictText(image.group)),
    );
    const x = chart.valToPos(shown.points.x[index], "x");
    const y = chart.valToPos(shown.points.y[index], "y");
    const rightHalf = x > chart.over.clientWidth / 2;
    card.style.left = rightHalf ? "auto" : `${x + chart.over.offsetLeft + 14}px`;
    card.style.right = rightHalf ? `${place.clientWidth - x - chart.over.offsetLeft + 14}px` : "auto";
    card.style.top = `${Math.max(0, Math.min(y - 20, place.clientHeight - card.offsetHeight))}px`;
    if (spoken) announce(`${image.id}, ${verdictText(image.group)}, ${values.join(", ")}`);
  }

  async function open() {
    if (at < 0) return;
    const image = await store.image(shown.points.rows[at]);
    viewer.open([image], image, place);
  }

  const draw = () => {
    chart?.destroy();
    chart = null;
    at = -1;
    card.hidden = true;
    place.replaceChildren();
    if (shown === null) return;
    const { xAxis, yAxis, points } = shown;
    place.append(card);
    if (!points.x.length) {
      place.append(element("p", { class: "soft" }, "No image has both values."));
      return;
    }
    const narrow = place.clientWidth < 500;
    const format = (_, ticks) => ticks.map((tick) => (tick === null ? "" : numberText(tick)));
    const log = (axis, values) => Boolean(axis?.log) && Math.min(...values) > 0;
    const axes = chartAxes(tickWords, { log: log(xAxis, points.x), upLog: log(yAxis, points.y) });
    axes[1].values = format;
    if (!xAxis) axes.forEach((axis) => { axis.show = false; });
    chart = new uPlot({
      width: Math.max(240, place.clientWidth),
      height: narrow ? 360 : pictures ? 640 : 460,
      padding: [10, xAxis ? CHART_RIGHT : 14, 4, xAxis ? 0 : 14],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: range(points.x, log(xAxis, points.x)), distr: log(xAxis, points.x) ? 3 : 1 },
        y: { range: range(points.y, log(yAxis, points.y)), distr: log(yAxis, points.y) ? 3 : 1 },
      },
      axes,
      series: [{}, { points: { show: false }, paths: () => null }],
      hooks: { draw: [paint] },
    }, [range(points.x, log(xAxis, points.x)), range(points.y, log(yAxis, points.y))], place);
    chart.over.addEventListener("pointermove", (event) => point(nearest(event)));
    chart.over.addEventListener("pointerleave", () => point(-1));
    chart.over.addEventListener("click", (event) => { point(nearest(event)).then(open); });
  };

  place.tabIndex = 0;
  place.setAttribute("role", "application");
  place.addEventListener("keydown", (event) => {
    if (!shown?.points.x.length) return;
    const order = shown.points.x.map((_, index) => index).filter((index) => shown.points.pictured[index])
      .sort((one, other) => shown.points.x[one] - shown.points.x[other]);
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by && order.length) {
      const here = order.indexOf(at);
      point(order[here < 0 ? (by > 0 ? 0 : order.length - 1) : Math.min(order.length - 1, Math.max(0, here + by))], true);
    } else if (event.key === "Enter") open();
    else if (event.key === "Escape") point(-1);
    else return;
    event.preventDefault();
  });
  place.addEventListener("blur", () => { if (!document.getElementById("viewer").open) point(-1); });

  let width = 0;
  new ResizeObserver(() => {
    if (Math.abs(place.clientWidth - width) < 2) return;
    width = place.clientWidth;
    draw();
  }).observe(place);
  theme.onChange(() => {
    if (shown !== null) shown.paints = null;
    draw();
  });

  return {
    /** Show two axes against each other, coloured by verdict (null) or by a third. */
    async show(x, y, colour) {
      const points = await store.cloud(x, y, colour);
      shown = { points, colour, xAxis: store.axes[x], yAxis: store.axes[y], drawn: [], paints: null };
      place.setAttribute("aria-label",
        `${name}: ${plural(points.x.length, "image")}. Arrow keys step from left to right through those with a picture, Enter opens one.`);
      draw();
      prepare();
    },
  };
}

/** What the colours of a cloud mean. */
function legendIn(place, colour) {
  if (colour === null) {
    const names = { keep: "kept", reject: "rejected", duplicate: "duplicate" };
    const there = Object.keys(names).filter((verdict) => store.groups.some((group) => group.verdict === verdict));
    place.replaceChildren(...there.map((verdict) => element("li", { class: verdict }, element("span", { class: `dot bg-${verdict}` }), names[verdict])));
    return;
  }
  const axis = store.axes[colour];
  place.replaceChildren(element("li", {}, numberText(axis.quantiles[1]), element("span", { class: "ramp" }), numberText(axis.quantiles[5]),
    element("span", { class: "soft" }, `from the 5${PERCENT} to the 95${PERCENT} quantile`)));
}

/** The choice of a colour: by verdict, or by any score. */
function colourOptions(select) {
  select.append(option("", "what became of it"));
  store.axes.forEach((axis, at) => { if (axis.count) select.append(option(at, axis.name)); });
  return () => (select.value === "" ? null : Number(select.value));
}
