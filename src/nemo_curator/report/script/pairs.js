// Duplicates beside the image that stays, and images beside the protected ones that they show.

(() => {
  const elsewhere = (id) => element("figure", {},
    element("span", { class: "mat" }, element("span", { class: "none" }, "In another data set")),
    element("figcaption", {}, isolated(id, "id")));
  const role = (kind, word, text = "") => element("p", { class: "role" }, element("b", { class: kind }, word), text ? ` ${text}` : "");

  async function duplicates(place) {
    const groups = await store.alike();
    place.replaceChildren(...groups.map((group) => {
      const images = [group.kept, ...group.removed.map((one) => one.image)].filter(Boolean);
      const rest = group.size - group.removed.length;
      return element("li", {},
        element("div", {}, role("in", "kept"), group.kept ? figureOf(group.kept, images, "", { bare: true }) : elsewhere(group.keptId)),
        ...group.removed.map((one) => element("div", {},
          role("out", "removed", one.how), figureOf(one.image, images, one.distance, { bare: true }))),
        rest > 0 ? element("p", { class: "soft rest" }, `and ${plural(rest, "more duplicate")}`) : "");
    }));
  }

  async function leaks(place) {
    const found = await store.leaks();
    if (found === null) return;
    place.replaceChildren(...found.listed.map((one) => {
      const shown = one.figure ? { ...one.figure, id: one.protectedId } : null;
      const images = [one.image, shown].filter(Boolean);
      return element("li", {},
        element("div", {}, role("reject", "rejected", one.how), figureOf(one.image, images, one.distance, { bare: true })),
        element("div", {}, role("in", "protected"), shown ? figureOf(shown, images, "", { bare: true }) : elsewhere(one.protectedId)),
        one.others > 0 ? element("p", { class: "soft rest" }, `it shows ${plural(one.others, "more protected image")}`) : "");
    }));
  }

  const places = [[document.getElementById("pairs"), duplicates], [document.getElementById("leaked"), leaks]];
  const draw = () => places.forEach(([place, show]) => { if (place) show(place); });
  document.addEventListener("veils", draw);
  draw();
})();
