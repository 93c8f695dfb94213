// The map of embeddings.

(() => {
  const place = document.getElementById("map-chart");
  if (!place || !store.hasMap) return;
  const colour = document.getElementById("map-colour");
  const paint = colourOptions(colour);
  const pictures = document.getElementById("map-pictures");
  const cloud = cloudIn(place, "Map of embeddings", pictures);
  const draw = () => {
    cloud.show("map x", "map y", paint());
    legendIn(document.getElementById("map-legend"), paint());
  };
  colour.addEventListener("change", draw);
  pictures.addEventListener("change", draw);
  document.addEventListener("veils", draw);
  draw();
})();
