// Duplicates beside the image that stays, and images beside the protected ones that they show.

(() => {
  const elsewhere = (id) => element("figure", {},
    element("span", { class: "mat" }, element("span", { class: "none" }, "In another data set")),
    element("figcaption", {}, isolated(id, "id")));
  const role = (kind, word, text = "") => element("p", { class: "role" }, element("b", { class: kind }, word), text ? ` ${text}` : "");

  const duplicates = (group) => {
    const images = [group.kept, ...group.removed.map((one) => one.image)].filter(Boolean);
    const rest = group.size - group.removed.length;
    return element("li", {},
      element("div", {}, role("in", "kept"), group.kept ? figureOf(group.kept, images, "", { bare: true }) : elsewhere(group.keptId)),
      ...group.removed.map((one) => element("div", {},
        role("out", "removed", one.how), figureOf(one.image, images, one.distance, { bare: true }))),
      rest > 0 ? element("p", { class: "soft rest" }, `and ${plural(rest, "more duplicate")}`) : "");
  };

  const leak = (one) => {
    const shown = one.figure ? { ...one.figure, id: one.protectedId } : null;
    const images = [one.image, shown].filter(Boolean);
    return element("li", {},
      element("div", {}, role("reject", "rejected", one.how), figureOf(one.image, images, one.distance, { bare: true })),
      element("div", {}, role("in", "protected"), shown ? figureOf(shown, images, "", { bare: true }) : elsewhere(one.protectedId)),
      one.others > 0 ? element("p", { class: "soft rest" }, `it shows ${plural(one.others, "more protected image")}`) : "");
  };

  /** A list in a place, with a button for more of it and a choice of its order, where the page has these. */
  function listIn(name, ask, item) {
    const place = document.getElementById(name);
    if (!place) return;
    const more = document.getElementById(`${name}-more`);
    const order = document.getElementById(`${name}-order`);
    let shown = [];
    let asked = 0;

    async function next(fresh) {
      asked += 1;
      const mine = asked;
      const found = await ask({ order: order?.value, offset: fresh ? 0 : shown.length });
      if (mine !== asked || found === null) return;
      shown = fresh ? found.items : [...shown, ...found.items];
      const made = found.items.map(item);
      if (fresh) place.replaceChildren(...made);
      else place.append(...made);
      if (more) more.hidden = shown.length >= found.total;
      if (!fresh) made[0]?.querySelector("button")?.focus();
    }

    more?.addEventListener("click", () => next(false));
    order?.addEventListener("change", () => next(true));
    document.addEventListener("veils", () => place.replaceChildren(...shown.map(item)));
    next(true);
  }

  listIn("pairs", async (piece) => {
    const { total, groups } = await store.alike(piece);
    return { total, items: groups };
  }, duplicates);
  listIn("leaked", async (piece) => {
    const found = await store.leaks(piece);
    return found && { total: found.total, items: found.listed };
  }, leak);
})();
