// The larger view of one image: everything that is known of it, with the arrow keys to the next one.

const viewer = (() => {
  const dialog = document.getElementById("viewer");
  const body = document.getElementById("viewer-body");
  let list = [];
  let at = 0;
  let opener = null;
  let unveiled = false;

  const sentence = (image) => {
    const { verdict, rule, detail } = store.groups[image.group];
    if (verdict === "keep") return ["Kept."];
    const compared = image.compared ? [" (", element("b", {}, image.compared), ")"] : [];
    if (verdict === "reject") {
      const says = detail ? [": ", element("code", {}, detail)] : [];
      const of = image.duplicateOf ? [", it shows ", isolated(image.duplicateOf, "id")] : [];
      return ["Rejected by ", isolated(rule), says, compared, of, "."];
    }
    return ["A duplicate, ", rule, ": of ", isolated(image.duplicateOf ?? "", "id"), "."];
  };

  /** Where a value lies among all: a line from the smallest to the largest, with a mark. */
  const placeOf = (axis, value) => {
    const [low, high] = [axis.quantiles[0], axis.quantiles.at(-1)];
    if (!(high > low) || !Number.isFinite(high - low)) return "";
    const share = axis.log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    for (const [key, set] of Object.entries({ viewBox: "0 0 100 8", class: "mark", "aria-hidden": "true", preserveAspectRatio: "none" })) svg.setAttribute(key, set);
    for (const [name, x, width, kind] of [["rect", 0, 100, "whole"], ["rect", Math.min(97, 97 * share), 3, "here"]]) {
      const rect = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, set] of Object.entries({ x, width, y: kind === "whole" ? 3 : 0, height: kind === "whole" ? 2 : 8, class: kind })) rect.setAttribute(key, set);
      svg.append(rect);
    }
    return svg;
  };

  const scores = (image) => {
    const rows = store.axes
      .map((axis, index) => ({ axis, value: image.row === undefined ? NaN : image.value(index) }))
      .filter(({ value }) => !Number.isNaN(value))
      .map(({ axis, value }) => element(
        "tr", {},
        element("th", { scope: "row", title: axis.meaning || null }, axis.name),
        element("td", { class: "num" }, numberText(value)),
        element("td", { class: "where" }, placeOf(axis, value)),
      ));
    const texts = (image.texts ?? []).map(([name, value]) => element(
      "tr", {}, element("th", { scope: "row" }, name), element("td", { colspan: 2, class: "text" }, isolated(value)),
    ));
    if (!rows.length && !texts.length) return "";
    return element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Scores" },
      element("table", {}, element("caption", { class: "unseen" }, "Scores"), element("tbody", {}, rows, texts)));
  };

  const show = () => {
    const image = list[at];
    const veiled = image.unsafe && image.picture && !veils.lifted && !unveiled;
    const frame = element("div", { class: veiled ? "frame veil" : "frame" }, pictureOf(image, { lazy: false, large: true }));
    if (veiled) {
      frame.append(element("div", { class: "ask" },
        element("p", {}, "Blurred because it may be unsafe (", isolated(image.unsafe), ")."),
        element("button", { type: "button", class: "plain", onclick: () => { unveiled = true; show(); } }, "Show this picture")));
    }
    const facts = [image.size, image.kind, image.source && image.source !== image.id ? `in ${image.source}` : ""].filter(Boolean);
    const words = element(
      "div", { class: "words" },
      image.caption ? element("p", { class: "caption" }, isolated(image.caption)) : "",
      element("p", {}, isolated(image.id, "id")),
      image.group === undefined ? "" : element("p", { class: `sentence ${store.groups[image.group].verdict}` }, sentence(image)),
      facts.length ? element("p", { class: "soft" }, isolated(facts.join(" \u00b7 "))) : "",
      scores(image),
    );
    body.replaceChildren(frame, words);
    document.getElementById("viewer-title").textContent = image.id;
    document.getElementById("viewer-place").textContent = list.length > 1 ? `${at + 1} of ${list.length}` : "";
    for (const name of ["viewer-previous", "viewer-next"]) document.getElementById(name).hidden = list.length < 2;
  };

  const step = (by) => {
    if (list.length < 2) return;
    at = (at + by + list.length) % list.length;
    unveiled = false;
    show();
    announce(`${at + 1} of ${list.length}: ${altText(list[at])}`);
  };

  document.getElementById("viewer-previous").addEventListener("click", () => step(-1));
  document.getElementById("viewer-next").addEventListener("click", () => step(1));
  document.getElementById("viewer-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") step(1);
    else if (event.key === "ArrowLeft") step(-1);
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    body.replaceChildren();
    if (opener?.isConnected) opener.focus();
  });

  return {
    /** Show an image, and step from it through a list. */
    open(images, image, from) {
      list = images;
      at = Math.max(0, images.findIndex((one) => one === image));
      opener = from;
      unveiled = false;
      show();
      dialog.showModal();
    },
  };
})();
