// One picture as a button that opens it, with its words; what may be unsafe is blurred until somebody asks.

const veils = { lifted: false };

/** What became of an image, in a word or two. */
function verdictText(group) {
  const { verdict, rule } = store.groups[group];
  if (verdict === "keep") return "kept";
  if (verdict === "reject") return rule;
  return verdict === "duplicate" ? "duplicate" : verdict;
}

/** What a reader hears who cannot see the picture. */
function altText(image) {
  return image.caption || `Image ${image.id}, without a caption`;
}

/** What stands where there is no picture. */
function noPicture(why) {
  return element("span", { class: "none" }, "No picture: ", isolated(why));
}

/** The picture itself, or why there is none. */
function pictureOf(image, { lazy = true, large = false } = {}) {
  if (!image.picture) return noPicture(image.missing || "it is not on this page");
  const [width, height] = image.shape;
  const picture = element("img", {
    src: (large && image.large) || image.picture, width: width || null, height: height || null, alt: altText(image), decoding: "async",
    loading: lazy ? "lazy" : null,
    onerror: () => image.why?.().then((why) => picture.replaceWith(noPicture(why))),
  });
  return picture;
}

/** A frame for a picture; blurred if need be. */
function matOf(image) {
  const veiled = image.unsafe && image.picture && !veils.lifted;
  const mat = element("span", { class: veiled ? "mat veil" : "mat" }, pictureOf(image));
  if (veiled) mat.append(element("span", { class: "veiled" }, "may be unsafe", isolated(image.unsafe, "why")));
  return mat;
}

/** A figure. `list` holds what the viewer steps through; `told` is a line of words above the id. */
function figureOf(image, list, told = "", options = {}) {
  const veiled = image.unsafe && image.picture && !veils.lifted;
  const button = element(
    "button",
    {
      type: "button",
      class: "open",
      "aria-label": `Look at ${image.id}${veiled ? `, blurred because it may be unsafe: ${image.unsafe}` : ""}`,
      onclick: () => viewer.open(list ?? [image], image, button),
    },
    matOf(image),
  );
  const caption = element("figcaption", {});
  if (told) caption.append(element("span", { class: "told num" }, told));
  if (!options.bare) {
    if (image.caption) caption.append(isolated(image.caption, "said"));
    caption.append(isolated(image.id, "id"));
    if (image.group !== undefined) {
      const { verdict } = store.groups[image.group];
      caption.append(element("span", { class: `fate ${verdict}` }, verdictText(image.group)));
    }
  } else {
    caption.append(isolated(image.id, "id"));
  }
  return element("figure", { "data-row": image.row }, button, caption);
}

/** Call something once, a little after the last of many calls; at once where there is no wait. */
function settled(call, wait) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    if (wait) timer = setTimeout(call, wait);
    else call();
  };
}

/** Draw everything anew that shows pictures, once blurred ones may be seen. */
function liftVeils(lifted) {
  veils.lifted = lifted;
  document.dispatchEvent(new CustomEvent("veils"));
}
