// The pictures of the page: filtered by what became of them and by words, in source order or by any score.

const gallery = (() => {
  const section = document.getElementById("images");
  if (!section) return null;
  const grid = section.querySelector(".grid");
  const chips = section.querySelector(".chips");
  const sort = document.getElementById("gallery-sort");
  const turn = document.getElementById("gallery-turn");
  const find = document.getElementById("gallery-find");
  const more = document.getElementById("gallery-more");
  const status = document.getElementById("gallery-status");
  const PAGE = 48;
  const state = { groups: null, descending: false, limit: PAGE, asked: 0 };

  const kinds = [
    { label: "All", groups: null },
    ...store.order.map((at) => ({ ...store.groups[at], at })).map((group) => ({
      label: group.verdict === "keep" ? "Kept" : group.verdict === "duplicate" ? `Duplicates: ${group.rule}` : group.rule,
      verdict: group.verdict, count: group.count, groups: [group.at],
    })),
  ];

  const chip = (kind) => element(
    "button",
    { type: "button", "aria-pressed": "false", class: kind.verdict ?? "all", onclick: () => choose(kind.groups) },
    isolated(kind.label),
    kind.count === undefined ? "" : element("span", { class: "num" }, ` ${kind.count.toLocaleString("en-US")}`),
  );
  const buttons = kinds.map(chip);
  chips.replaceChildren(...buttons);

  const same = (one, other) => (one === null || other === null ? one === other : one.join() === other.join());

  const told = (image) => {
    if (sort.value !== "") return `${store.axes[sort.value].name} ${numberText(image.value(Number(sort.value)))}`;
    return image.compared ?? "";
  };

  async function draw() {
    state.asked += 1;
    const asked = state.asked;
    const axis = sort.value === "" ? null : Number(sort.value);
    const found = await store.images({
      groups: state.groups, text: find.value, axis, descending: state.descending, limit: state.limit,
    });
    if (asked !== state.asked) return;
    const focused = document.activeElement?.closest?.("figure")?.dataset.row;
    grid.replaceChildren(...found.images.map((image) => figureOf(image, found.images, told(image))));
    if (focused !== undefined && focused !== null) grid.querySelector(`[data-row="${CSS.escape(focused)}"] button`)?.focus();
    const whole = found.total.toLocaleString("en-US");
    status.textContent = find.value.trim()
      ? `${plural(found.here, "picture")} with these words.`
      : found.here < found.total
        ? `${plural(found.here, "picture")} of ${whole} images: the outermost by each score, those beside each threshold, and others evenly spread.`
        : `${plural(found.here, "picture")}.`;
    more.hidden = found.here <= state.limit;
    more.textContent = `Show ${Math.min(PAGE, found.here - state.limit)} more`;
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(same(kinds[at].groups, state.groups))));
    turn.textContent = axis === null ? (state.descending ? "last to first" : "first to last") : state.descending ? "highest first" : "lowest first";
  }

  function choose(groups) {
    state.groups = groups;
    state.limit = PAGE;
    draw();
  }

  store.axes.forEach((axis, at) => { if (axis.count) sort.append(option(at, axis.name)); });
  sort.addEventListener("change", () => { state.limit = PAGE; draw(); });
  turn.addEventListener("click", () => { state.descending = !state.descending; state.limit = PAGE; draw(); });
  find.addEventListener("input", () => { state.limit = PAGE; draw(); });
  more.addEventListener("click", () => {
    const first = grid.children.length;
    state.limit += PAGE;
    draw().then(() => grid.children[first]?.querySelector("button")?.focus());
  });
  document.addEventListener("veils", draw);
  for (const link of document.querySelectorAll("a[data-group]")) {
    link.addEventListener("click", () => choose([Number(link.dataset.group)]));
  }
  draw();
  return { choose };
})();

/** Arrow keys move between the pictures of a grid, as Tab does. */
document.addEventListener("keydown", (event) => {
  const button = event.target.closest?.(".grid .open");
  if (!button) return;
  const all = [...button.closest(".grid").querySelectorAll(".open")];
  const here = all.indexOf(button);
  const across = all.filter((one) => one.getBoundingClientRect().top === all[0].getBoundingClientRect().top).length;
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
  if (by === undefined || !all[here + by]) return;
  event.preventDefault();
  all[here + by].focus();
});
