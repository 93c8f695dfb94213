// More of the inputs that could not be used, for a reason: the page lists some of each, the server knows all.

for (const button of document.querySelectorAll("button[data-reason]")) {
  const body = button.closest("details").querySelector("tbody");
  let offset = 0; // what is listed at first is spread over all; from here on it is in source order
  button.addEventListener("click", async () => {
    const { inputs } = await server.ask("/api/unusable", { reason: button.dataset.reason, offset, limit: 96 });
    const rows = inputs.map((one) => element("tr", {},
      element("th", { scope: "row" }, isolated(one.id, "id"),
        one.source && one.source !== one.id ? [" ", element("span", { class: "soft" }, "in ", isolated(one.source, "id"))] : ""),
      element("td", {}, isolated(one.detail))));
    if (offset === 0) body.replaceChildren(...rows);
    else body.append(...rows);
    offset += inputs.length;
    const whole = Number(button.dataset.count);
    button.closest("details").querySelector("summary").textContent = `${offset.toLocaleString("en-US")} of ${plural(whole, "input")}, in source order`;
    button.hidden = offset >= whole || !inputs.length;
    button.textContent = "List more of them";
  });
}
