// Two scores against each other.

(() => {
  const place = document.getElementById("joint-chart");
  const known = store.axes.map((axis, at) => ({ axis, at })).filter(({ axis }) => axis.count);
  if (!place || known.length < 2) return;
  const [across, up, colour] = ["x", "y", "colour"].map((name) => document.getElementById(`joint-${name}`));
  for (const select of [across, up]) known.forEach(({ axis, at }) => select.append(option(at, axis.name)));
  const paint = colourOptions(colour);
  const differing = known.filter(({ axis }) => axis.quantiles.at(-1) > axis.quantiles[0]);
  const cut = differing.filter(({ axis }) => axis.thresholds.length).reverse();
  const usual = ["sharpness", "entropy", "brightness"].map((name) => differing.find(({ axis }) => axis.name === name)).filter(Boolean);
  const [first, second] = [...new Set([...cut, ...usual, ...differing, ...known])];
  across.value = String(first.at);
  up.value = String(second.at);
  const cloud = cloudIn(place, "Two scores");
  const draw = () => {
    cloud.show(Number(across.value), Number(up.value), paint());
    legendIn(document.getElementById("joint-legend"), paint());
  };
  for (const select of [across, up, colour]) select.addEventListener("change", draw);
  draw();
})();
