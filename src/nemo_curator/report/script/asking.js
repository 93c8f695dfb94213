// Questions to the server that the page came from, and what is said when it does not answer.

const given = JSON.parse(document.getElementById("data").textContent);

const server = (() => {
  const place = document.getElementById("notice");
  const { edition, token } = given.served;

  /** A sentence above everything, with a button that loads the page again if that may help. */
  function notice(sentence, again = true) {
    const button = again ? element("button", { type: "button", class: "plain", onclick: () => location.reload() }, "Load again") : "";
    place.replaceChildren(element("span", {}, sentence), button);
    place.hidden = false;
  }

  /** An address of the server. */
  function address(path, fields) {
    return `${path}?${new URLSearchParams({ edition, ...fields })}`;
  }

  async function answered(request) {
    let answer;
    try {
      answer = await request;
    } catch {
      return { ok: false, status: 0, said: { error: "The server that this page came from does not answer: imagecurator view was stopped." } };
    }
    const said = await answer.json().catch(() => ({ error: "The server answered with something that is no answer." }));
    return { ok: answer.ok, status: answer.status, said };
  }

  return {
    notice,
    address,

    /** Ask for something. Where there is no answer that is said, and whoever waits for it waits. */
    async ask(path, fields = {}) {
      const { ok, said } = await answered(fetch(address(path, fields)));
      if (ok) return said;
      notice(sentenceOf(said.error));
      return new Promise(() => {});
    },

    /** Why there is no picture. */
    async why(path) {
      const { ok, said } = await answered(fetch(path));
      return ok ? "it came too late" : said.missing ?? said.error;
    },

    /** Begin something; the answer, or why there is none. */
    async begin(path, body) {
      const headers = { "Content-Type": "application/json", "X-Imagecurator-Token": token };
      const { ok, said } = await answered(fetch(path, { method: "POST", headers, body: JSON.stringify({ edition, ...body }) }));
      return ok ? said : { state: "failed", error: said.error };
    },

    /** How something goes that was begun. */
    async progress(number) {
      const { ok, said } = await answered(fetch(`/api/job?number=${number}`));
      return ok ? said : { state: "failed", error: said.error };
    },

    /** Whether somebody else decided the run meanwhile. */
    async state() {
      const { ok, said } = await answered(fetch("/api/state"));
      return ok ? said : null;
    },
  };
})();

/** A sentence of the server as one that stands alone. */
function sentenceOf(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

// the token need not stand in the bar of addresses, nor in a picture of the screen
if (location.search) history.replaceState(null, "", `${location.pathname}${location.hash}`);
