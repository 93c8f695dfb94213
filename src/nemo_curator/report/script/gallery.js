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
  const from = document.getElementById("gallery-from");
  const status = document.getElementById("gallery-status");
  const PAGE = 48;
  const state = { groups: null, descending: false, start: 0, images: [], asked: 0 };

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

  const figure = (image) => figureOf(image, state.images, told(image));

  /** Ask for a page of images; what was asked for before is forgotten. */
  async function fetchPage(offset, limit) {
    state.asked += 1;
    const asked = state.asked;
    const axis = sort.value === "" ? null : Number(sort.value);
    const found = await store.images({ groups: state.groups, text: find.value, axis, descending: state.descending, offset, limit });
    return asked === state.asked ? found : null;
  }

  /** Say how many there are, and whether there are more. */
  function tell(found) {
    const whole = found.total.toLocaleString("en-US");
    const last = state.start + state.images.length;
    const where = state.start ? ` Shown are those from ${(state.start + 1).toLocaleString("en-US")} to ${last.toLocaleString("en-US")}.` : "";
    status.textContent = (find.value.trim()
      ? `${plural(found.here, "picture")} with these words.`
      : found.here < found.total
        ? `${plural(found.here, "picture")} of ${whole} images: the outermost by each score, those beside each threshold, and others evenly spread.`
        : `${plural(found.here, "picture")}.`) + where;
    const rest = found.here - last;
    more.hidden = rest <= 0;
    more.textContent = rest > PAGE ? `Show ${PAGE} more of ${rest.toLocaleString("en-US")}` : `Show ${rest} more`;
    if (from) from.max = String(Math.max(1, found.here));
  }

  /** Draw everything anew, with as many images as there were if need be. */
  async function draw(limit = PAGE) {
    const found = await fetchPage(state.start, limit);
    if (found === null) return;
    const focused = document.activeElement?.closest?.("figure")?.dataset.row;
    state.images = found.images;
    grid.replaceChildren(...found.images.map(figure));
    if (focused !== undefined && focused !== null) grid.querySelector(`[data-row="${CSS.escape(focused)}"] button`)?.focus();
    tell(found);
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(same(kinds[at].groups, state.groups))));
    const ordered = sort.value !== "";
    turn.textContent = ordered ? (state.descending ? "highest first" : "lowest first") : state.descending ? "last to first" : "first to last";
  }

  /** Draw from the first image on. */
  function begin() {
    state.start = 0;
    if (from) from.value = "1";
    draw();
  }

  async function showMore() {
    const found = await fetchPage(state.start + state.images.length, PAGE);
    if (found === null) return;
    const first = grid.children.length;
    state.images.push(...found.images);
    grid.append(...found.images.map(figure));
    tell(found);
    grid.children[first]?.querySelector("button")?.focus();
  }

  function choose(groups) {
    state.groups = groups;
    begin();
  }

  store.axes.forEach((axis, at) => { if (axis.count) sort.append(option(at, axis.name)); });
  sort.addEventListener("change", begin);
  turn.addEventListener("click", () => { state.descending = !state.descending; begin(); });
  find.addEventListener("input", settled(begin, store.patience));
  more.addEventListener("click", showMore);
  from?.addEventListener("change", () => {
    state.start = Math.max(0, Math.min(Number(from.max), Math.floor(Number(from.value)) || 1) - 1);
    from.value = String(state.start + 1);
    draw();
  });
  document.addEventListener("veils", () => {
    grid.replaceChildren(...state.images.map(figure));
  });
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
