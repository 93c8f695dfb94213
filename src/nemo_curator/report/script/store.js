// Where the page's data come from. Everything else on the page asks one object, `store`, and waits for its answers: those
// of data that stand in the page (embedded.js), or of the server that the page came from (served.js).
//
//   axes, groups, order, shares, inputs, readable, place     what is known at once
//   patience                                          milliseconds to wait whether somebody moves on before asking for pictures
//   count(axis, operator, value)                      how many images a threshold rejects
//   near(axis, value, most)                           the images just below and just above a value
//   images({ groups, text, axis, descending, offset, limit })
//   image(row)                                        one image
//   cloud(x, y, colour)                               points; an axis is its index, or "map x" and "map y"
//   alike({ order, offset, limit }), leaks({ offset, limit })    duplicates and leaks
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
function countsAt(axis, counts, whole, value, every = axis.every) {
  const at = lowerBound(axis.points, value);
  const hit = axis.points[at] === value;
  if (!every && !hit) return null;
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

/** The axes, with what JSON cannot say put right. */
function axesOf(data) {
  for (const axis of data.axes) {
    axis.points ??= axis.stops;
    axis.quantiles = axis.quantiles.map(Number);
  }
  return data.axes;
}

/** What every store knows at once. */
function knownOf(data, axes, points) {
  const { groups, order, shares, inputs, readable, place } = data;
  return { axes, groups, order, shares, inputs, readable, place, hasMap: points.hasMap };
}

/** What a threshold does, from counts of all values and of kept ones. */
function outcome(axis, readable, operator, all, kept) {
  const rejected = hits(all, operator, axis.count);
  return { rejected, passing: readable - rejected, kept: hits(kept, operator, axis.kept) };
}

/** The numbers of the images that charts show: `row` counts them. */
function sampleOf({ sample }) {
  const rows = sample.ids.length;
  const numbers = unpacked(sample.numbers);
  const places = sample.places === null ? null : unpacked(sample.places);
  const column = (axis) => {
    if (axis === "map x" || axis === "map y") {
      const start = axis === "map x" ? 0 : rows;
      return places.subarray(start, start + rows);
    }
    return numbers.subarray(axis * rows, (axis + 1) * rows);
  };
  return {
    rows,
    hasMap: places !== null,
    column,
    value: (row, axis) => numbers[axis * rows + row],
    /** Points of two axes; `named(row)` is what the store calls the image of a row, `pictured(row)` whether it has a picture. */
    cloud(x, y, colour, named, pictured) {
      const [across, up] = [column(x), column(y)];
      const found = [];
      for (let row = 0; row < rows; row += 1) {
        if (Number.isFinite(across[row]) && Number.isFinite(up[row])) found.push(row);
      }
      return {
        rows: found.map(named),
        x: found.map((row) => across[row]),
        y: found.map((row) => up[row]),
        groups: found.map((row) => sample.groups[row]),
        colours: colour === null ? null : found.map((row) => column(colour)[row]),
        pictured: found.map(pictured),
      };
    },
  };
}
