// Where the page's data come from. Everything else on the page asks this one object and waits for its answers, so that
// data that are asked of a server can take the place of data that stand in the page.
//
//   axes, groups, order, shares, inputs, readable, place     what is known at once
//   count(axis, operator, value)                      how many images a threshold rejects
//   near(axis, value, most)                           the images just below and just above a value
//   images({ group, text, axis, descending, offset, limit })
//   image(row)                                        one image
//   cloud(x, y, colour)                               points; an axis is its index, or "map x" and "map y"
//   alike(), leaks()                                  duplicates and leaks
//
// An image is { row, id, group, at, has, caption, source, …, value(axis) }; `has` says whether there is more than numbers.

/** Doubles from Base64. */
function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  return new Float64Array(bytes.buffer);
}

/** The first place in ascending numbers that is not below a value. */
function lowerBound(numbers, value) {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many of some values are below a number, and how many are not above it; null where that is not known. */
function countsAt(axis, counts, whole, value) {
  const at = lowerBound(axis.points, value);
  const hit = axis.points[at] === value;
  if (!axis.every && !hit) return null;
  if (hit) return { below: counts.below[at], upto: counts.upto[at] };
  const below = at < axis.points.length ? counts.below[at] : whole;
  return { below, upto: below };
}

/** How many values an operator is true of. */
function hits(found, operator, whole) {
  if (operator === "<") return found.below;
  if (operator === "<=") return found.upto;
  return operator === ">" ? whole - found.upto : whole - found.below;
}

/** The store of data that stand in the page. */
function embeddedStore(data) {
  const { sample } = data;
  const rows = sample.ids.length;
  const numbers = unpacked(sample.numbers);
  const places = sample.places === null ? null : unpacked(sample.places);
  const pictured = Object.keys(data.figures).map(Number).sort((one, other) => one - other);
  for (const axis of data.axes) {
    axis.points ??= axis.stops;
    axis.quantiles = axis.quantiles.map(Number);
  }

  const column = (axis) => {
    if (axis === "map x" || axis === "map y") {
      const start = axis === "map x" ? 0 : rows;
      return places.subarray(start, start + rows);
    }
    return numbers.subarray(axis * rows, (axis + 1) * rows);
  };
  const image = (row) => ({
    row,
    id: sample.ids[row],
    at: sample.positions[row],
    group: sample.groups[row],
    has: row in data.figures,
    ...data.figures[row],
    value: (axis) => numbers[axis * rows + row],
  });
  const sorted = (chosen, axis, descending) => {
    const values = column(axis);
    const known = chosen.filter((row) => !Number.isNaN(values[row]));
    known.sort((one, other) => (descending ? values[other] - values[one] : values[one] - values[other]) || one - other);
    return [...known, ...chosen.filter((row) => Number.isNaN(values[row]))];
  };
  const fits = (row, words) => {
    const text = `${sample.ids[row]} ${data.figures[row].caption ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };

  return {
    axes: data.axes,
    groups: data.groups,
    order: data.order,
    shares: data.shares,
    inputs: data.inputs,
    readable: data.readable,
    place: data.place,
    hasMap: places !== null,
    variance: sample.variance,
    pictures: pictured.length,
    points: rows,
    sensitive: Object.values(data.figures).some((one) => one.sensitive),

    async count(at, operator, value) {
      const axis = data.axes[at];
      const all = countsAt(axis, axis.counts, axis.count, value);
      const kept = countsAt(axis, axis.keptCounts, axis.kept, value);
      if (all === null) return null;
      const rejected = hits(all, operator, axis.count);
      return { rejected, passing: data.readable - rejected, kept: hits(kept, operator, axis.kept) };
    },

    async near(at, value, most) {
      const ordered = sorted(pictured, at, false).filter((row) => !Number.isNaN(column(at)[row]));
      const split = lowerBound(ordered.map((row) => column(at)[row]), value);
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
      const [across, up] = [column(x), column(y)];
      const found = [];
      for (let row = 0; row < rows; row += 1) {
        if (Number.isFinite(across[row]) && Number.isFinite(up[row])) found.push(row);
      }
      return {
        rows: found,
        x: found.map((row) => across[row]),
        y: found.map((row) => up[row]),
        groups: found.map((row) => sample.groups[row]),
        colours: colour === null ? null : found.map((row) => column(colour)[row]),
        pictured: found.map((row) => row in data.figures),
      };
    },

    async alike() {
      return data.alike.map((one) => ({
        ...one,
        kept: one.kept === null ? null : image(one.kept),
        removed: one.removed.map((removed) => ({ ...removed, image: image(removed.row) })),
      }));
    },

    async leaks() {
      if (data.leaks === null) return null;
      return { ...data.leaks, listed: data.leaks.listed.map((one) => ({ ...one, image: image(one.row) })) };
    },
  };
}

const store = embeddedStore(JSON.parse(document.getElementById("data").textContent));
