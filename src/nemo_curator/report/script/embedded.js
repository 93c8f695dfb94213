// The store of a page that is one file: everything that it knows stands in it.

function embeddedStore(data) {
  const { sample } = data;
  const axes = axesOf(data);
  const points = sampleOf(data);
  const pictured = Object.keys(data.figures).map(Number).sort((one, other) => one - other);

  const image = (row) => ({
    row,
    id: sample.ids[row],
    at: sample.positions[row],
    group: sample.groups[row],
    has: row in data.figures,
    ...data.figures[row],
    value: (axis) => points.value(row, axis),
  });
  const sorted = (chosen, axis, descending) => {
    const values = points.column(axis);
    const known = chosen.filter((row) => !Number.isNaN(values[row]));
    known.sort((one, other) => (descending ? values[other] - values[one] : values[one] - values[other]) || one - other);
    return [...known, ...chosen.filter((row) => Number.isNaN(values[row]))];
  };
  const fits = (row, words) => {
    const text = `${sample.ids[row]} ${data.figures[row].caption ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };

  return {
    ...knownOf(data, axes, points),
    patience: 0,

    async count(at, operator, value) {
      const axis = axes[at];
      const all = countsAt(axis, axis.counts, axis.count, value);
      const kept = countsAt(axis, axis.keptCounts, axis.kept, value);
      return all === null ? null : outcome(axis, data.readable, operator, all, kept);
    },

    async near(at, value, most) {
      const ordered = sorted(pictured, at, false).filter((row) => !Number.isNaN(points.column(at)[row]));
      const split = lowerBound(ordered.map((row) => points.column(at)[row]), value);
      return {
        below: ordered.slice(Math.max(0, split - most), split).reverse().map(image),
        above: ordered.slice(split, split + most).map(image),
      };
    },

    async images({ groups = null, text = "", axis = null, descending = false, offset = 0, limit = 48 }) {
      const words = text.toLowerCase().split(/\s+/).filter(Boolean);
      let chosen = pictured.filter((row) => groups === null || groups.includes(sample.groups[row]));
      if (words.length) chosen = chosen.filter((row) => fits(row, words));
      if (axis !== null) chosen = sorted(chosen, axis, descending);
      else if (descending) chosen = chosen.slice().reverse();
      const counted = data.groups.filter((group, at) => group.verdict !== "quarantine" && (groups === null || groups.includes(at)));
      return {
        here: chosen.length,
        total: counted.reduce((sum, group) => sum + group.count, 0),
        images: chosen.slice(offset, offset + limit).map(image),
      };
    },

    async image(row) {
      return image(row);
    },

    async cloud(x, y, colour) {
      return points.cloud(x, y, colour, (row) => row, (row) => row in data.figures);
    },

    async alike() {
      const groups = data.alike.map((one) => ({
        ...one,
        kept: one.kept === null ? null : image(one.kept),
        removed: one.removed.map((removed) => ({ ...removed, image: image(removed.row) })),
      }));
      return { total: groups.length, groups };
    },

    async leaks() {
      if (data.leaks === null) return null;
      const listed = data.leaks.listed.map((one) => ({ ...one, image: image(one.row) }));
      return { total: listed.length, listed };
    },
  };
}

const store = embeddedStore(JSON.parse(document.getElementById("data").textContent));
