// How the values of one score lie: bars of all readable images, with those that are kept in front, and the threshold.

/** A histogram in a place. `onPick(value)` is called when somebody points at a value. */
function histogramIn(place, onPick) {
  let chart = null;
  let shown = null;
  let threshold = null;

  const bars = (u) => {
    const { ctx } = u;
    const { axis } = shown;
    const bottom = u.valToPos(0, "y", true);
    const paint = (counts, colour) => {
      ctx.fillStyle = colour;
      counts.forEach((count, at) => {
        if (!count) return;
        const left = u.valToPos(axis.edges[at], "x", true);
        const right = u.valToPos(axis.edges[at + 1], "x", true);
        const top = Math.min(u.valToPos(count, "y", true), bottom - 1);
        const gap = right - left > 6 ? 1 : 0;
        ctx.fillRect(left + gap, top, Math.max(1, right - left - 2 * gap), bottom - top);
      });
    };
    ctx.save();
    paint(axis.bars, theme.colour("bar"));
    paint(axis.barsKept, theme.colour("keep"));
    cut(u, threshold, theme.colour("reject"), [], true);
    axis.thresholds.forEach((one) => cut(u, one, theme.colour("reject"), [5, 4], false));
    ctx.restore();
  };

  /** A line at a threshold, and a veil over what it rejects. */
  const cut = (u, one, colour, dashes, veil) => {
    if (one === null) return;
    const { ctx, bbox } = u;
    const [low, high] = [u.scales.x.min, u.scales.x.max];
    const at = u.valToPos(Math.min(high, Math.max(low, one.value)), "x", true);
    if (veil) {
      const left = one.operator.startsWith("<") ? bbox.left : at;
      const right = one.operator.startsWith("<") ? at : bbox.left + bbox.width;
      ctx.globalAlpha = 0.14;
      ctx.fillStyle = colour;
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
      ctx.globalAlpha = 1;
    }
    if (one.value < low || one.value > high) return;
    ctx.strokeStyle = colour;
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.setLineDash(dashes.map((dash) => dash * devicePixelRatio));
    ctx.beginPath();
    ctx.moveTo(at, bbox.top);
    ctx.lineTo(at, bbox.top + bbox.height);
    ctx.stroke();
    ctx.setLineDash([]);
  };

  /** The slider below stands in line with the chart, whatever room its words need. */
  const inLine = (u) => place.parentElement.style.setProperty("--chart-left", `${u.bbox.left / devicePixelRatio}px`);

  const draw = () => {
    chart?.destroy();
    chart = null;
    place.replaceChildren();
    if (shown === null || shown.axis.edges.length < 2) return;
    if (shown.axis.quantiles[0] === shown.axis.quantiles.at(-1)) {
      place.append(element("p", { class: "soft" }, `Every image has the same value, ${numberText(shown.axis.quantiles[0])}.`));
      return;
    }
    const { axis } = shown;
    const [low, high] = [axis.edges[0], axis.edges.at(-1)];
    chart = new uPlot({
      width: Math.max(240, place.clientWidth),
      height: place.clientWidth < 500 ? 190 : 260,
      padding: [10, CHART_RIGHT, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: [low, high], distr: axis.log ? 3 : 1 }, y: { range: [0, Math.max(1, ...axis.bars) * 1.04] } },
      axes: chartAxes(tickWords, { log: axis.log }),
      series: [{}, { show: true, points: { show: false }, paths: () => null }],
      hooks: { draw: [bars], ready: [inLine] },
    }, [[low, high], [0, 0]], place);
    chart.over.addEventListener("pointerdown", (event) => {
      chart.over.setPointerCapture(event.pointerId);
      pick(event);
    });
    chart.over.addEventListener("pointermove", (event) => { if (event.buttons & 1) pick(event); });
  };

  const pick = (event) => onPick(chart.posToVal(event.clientX - chart.over.getBoundingClientRect().left, "x"));

  let width = 0;
  new ResizeObserver(() => {
    if (Math.abs(place.clientWidth - width) < 2) return;
    width = place.clientWidth;
    draw();
  }).observe(place);
  theme.onChange(draw);

  return {
    /** Show an axis with a threshold. */
    show(axis, cutAt) {
      const same = shown?.axis === axis;
      shown = { axis };
      threshold = cutAt;
      if (same && chart) chart.redraw(false);
      else if (!same) draw();
    },
  };
}
