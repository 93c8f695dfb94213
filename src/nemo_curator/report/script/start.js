// What is left to do once everything is drawn.

(() => {
  const veil = document.getElementById("unveil");
  veil?.addEventListener("change", () => liftVeils(veil.checked));
  document.getElementById("copy-recipe")?.addEventListener("click", (event) => {
    copyText(document.getElementById("recipe-text").textContent, event.currentTarget);
  });
  document.documentElement.dataset.ready = "true";
})();
