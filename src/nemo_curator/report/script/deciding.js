// The rules of the recipe: changed here, counted by the server, and written to the recipe once somebody says so.

(() => {
  const section = document.getElementById("rules");
  const get = (name) => document.getElementById(`rules-${name}`);
  const [list, status, outcomeBox, decide, attempt, undo] = ["list", "status", "outcome", "decide", "try", "undo"].map(get);
  const confirmation = document.getElementById("confirm");
  const { served } = given;
  const before = new Map(served.rules);
  let rules = served.rules.map(([name, text]) => ({ name, text, on: true }));

  const changed = (rule) => before.get(rule.name) !== (rule.on ? rule.text : undefined);
  const chosen = () => rules.filter((rule) => rule.on).map(({ name, text }) => [name, text]);

  /** What is different, a sentence each. */
  function differences() {
    return rules.filter(changed).map((rule) => {
      const was = before.get(rule.name);
      if (!rule.on) return [isolated(rule.name), " is taken out: ", element("code", {}, was)];
      if (was === undefined) return [isolated(rule.name), " is new: ", element("code", {}, rule.text)];
      return [isolated(rule.name), " was ", element("code", {}, was), ", and becomes ", element("code", {}, rule.text)];
    });
  }

  function tell() {
    for (const [at, item] of [...list.children].entries()) {
      const rule = rules[at];
      item.className = rule.on ? "" : "off";
      item.querySelector(".mark-changed").textContent = !changed(rule) ? "" : !rule.on ? "off" : before.has(rule.name) ? "changed" : "new";
    }
    const count = differences().length;
    status.textContent = count ? `${plural(count, "rule")} changed. Nothing is written yet.` : "These are the rules that the run was decided by.";
    undo.hidden = count === 0;
    for (const button of [attempt, decide]) if (button) button.disabled = count === 0;
    outcomeBox.hidden = true;
  }

  function draw() {
    list.replaceChildren(...rules.map((rule) => {
      const box = element("input", { type: "checkbox", checked: rule.on, onchange: () => { rule.on = box.checked; tell(); } });
      const text = element("input", {
        type: "text", "aria-label": `Rule ${rule.name}`, maxlength: 4000, spellcheck: "false", autocomplete: "off",
        oninput: () => { rule.text = text.value; tell(); },
      });
      text.value = rule.text;
      return element("li", {},
        element("label", { class: "check" }, box, isolated(rule.name)),
        text, element("span", { class: "mark-changed" }));
    }));
    tell();
  }

  /** Take a rule over from the explorer. */
  function take([name, text]) {
    const known = rules.find((rule) => rule.name === name);
    if (known) Object.assign(known, { text, on: true });
    else rules.push({ name, text, on: true });
    draw();
    section.scrollIntoView();
    list.children[rules.findIndex((rule) => rule.name === name)].querySelector("input[type=text]").focus({ preventScroll: true });
    announce(`${name}: ${text}`);
  }

  /** Steps as they are, and as they would be. */
  function outcomeTable(steps, warnings) {
    const [now, then] = [served.steps, steps].map((all) => new Map(all.map(([kind, name, count]) => [`${kind} ${name}`, count])));
    const all = [...new Map([...served.steps, ...steps].map(([kind, name]) => [`${kind} ${name}`, { kind, name }])).entries()];
    const last = all.findIndex(([, { kind }]) => kind === "duplicate");
    const late = all.filter(([key, { kind }], at) => at > last && kind === "reject" && !now.has(key));
    const rows = [...all.filter((one) => !late.includes(one)).slice(0, last), ...late, ...all.filter((one) => !late.includes(one)).slice(last)];
    const number = (count) => (count === undefined ? "–" : count.toLocaleString("en-US"));
    const words = { quarantine: "quarantined: ", reject: "rejected: " };
    const table = element("table", {},
      element("thead", {}, element("tr", {}, ...["step", "now", "then", "difference"].map((text, at) => element("th", { scope: "col", class: at ? "num" : null }, text)))),
      element("tbody", {}, ...rows.map(([key, { kind, name }]) => {
        const by = (then.get(key) ?? 0) - (now.get(key) ?? 0);
        return element("tr", { class: kind === "keep" || kind === "inputs" ? "strong" : null },
          element("th", { scope: "row" }, element("span", { class: "what" }, words[kind] ?? ""), isolated(name)),
          element("td", { class: "num" }, number(now.get(key))),
          element("td", { class: "num" }, number(then.get(key))),
          element("td", { class: by ? "num moved" : "num soft" }, by ? `${by > 0 ? "+" : MINUS}${Math.abs(by).toLocaleString("en-US")}` : "0"));
      })));
    return [table, warnings.length ? element("ul", { class: "list" }, ...warnings.map((text) => element("li", {}, isolated(text)))) : ""];
  }

  /** Begin something at the server and wait for it; null where it failed, which is said. */
  async function through(path, body, doing) {
    for (const button of [attempt, decide, undo]) if (button) button.disabled = true;
    section.setAttribute("aria-busy", "true");
    status.className = "status";
    status.textContent = doing;
    let found = await server.begin(path, body);
    while (found.state === "waiting" || found.state === "running") {
      await new Promise((done) => { setTimeout(done, 150); });
      found = await server.progress(found.job);
    }
    section.removeAttribute("aria-busy");
    for (const button of [attempt, decide, undo]) if (button) button.disabled = false;
    if (found.state === "done") return found.answer;
    status.className = "status wrong";
    status.textContent = sentenceOf(found.error);
    return null;
  }

  async function count() {
    const found = await through("/api/try", { rules: chosen() }, "Counting what these rules would do…");
    if (found === null) return;
    status.textContent = "This is what the run would come to. Nothing is written.";
    outcomeBox.replaceChildren(...outcomeTable(found.steps, found.warnings).filter(Boolean));
    outcomeBox.hidden = false;
  }

  async function write() {
    confirmation.close();
    const found = await through("/api/decide", { rules: chosen() }, "Deciding by these rules…");
    if (found === null) return;
    status.textContent = "Decided.";
    location.hash = "rules";
    location.reload();
  }

  attempt.addEventListener("click", count);
  undo.addEventListener("click", () => { rules = served.rules.map(([name, text]) => ({ name, text, on: true })); draw(); });
  decide?.addEventListener("click", () => {
    document.getElementById("confirm-changes").replaceChildren(...differences().map((words) => element("li", {}, ...words)));
    confirmation.showModal();
  });
  document.getElementById("confirm-yes")?.addEventListener("click", write);
  document.getElementById("confirm-no")?.addEventListener("click", () => confirmation.close());
  document.getElementById("explore-take")?.addEventListener("click", () => take(explorer.rule()));
  get("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = get("new").value.trim();
    if (!name || rules.some((rule) => rule.name === name)) {
      get("new").focus();
      return;
    }
    get("new").value = "";
    take([name, ""]);
  });
  draw();

  /** Somebody else may decide the run while the page is open. */
  async function look() {
    const found = await server.state();
    if (found === null) server.notice("The server that this page came from does not answer: imagecurator view was stopped.", false);
    else if (found.edition !== served.edition) server.notice("The run was decided anew from another window.");
    else if (found.outdated && !section.hasAttribute("aria-busy")) {
      server.notice("Another command decided this run anew, or is doing so. This page shows what was before.", false);
      const button = element("button", { type: "button", class: "plain", onclick: async () => {
        button.disabled = true;
        const renewed = await through("/api/renew", {}, "Reading the run again…");
        if (renewed !== null) location.reload();
        else { section.scrollIntoView(); button.disabled = false; }
      } }, "Read it again");
      document.getElementById("notice").append(button);
    } else return;
    clearInterval(watch);
  }
  const watch = setInterval(() => { if (!document.hidden) look(); }, 10_000);
})();
