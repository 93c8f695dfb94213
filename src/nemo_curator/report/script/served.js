// The store of a page that is served: what it does not know it asks the server, which has the whole run.

function servedStore(data) {
  const axes = axesOf(data);
  const complete = axes.map((axis) => axis.every);
  for (const axis of axes) axis.every = true; // any threshold can be counted
  const points = sampleOf(data);
  const { positions } = data.sample;
  const drawn = Math.max(1, Math.ceil(positions.length / 250)); // one in so many points has its picture drawn

  const image = (facts) => {
    const which = facts.protected === undefined ? { at: facts.at } : { protected: facts.protected };
    const addressOf = (size) => (facts.missing ? "" : server.address("/picture", { ...which, size }));
    return {
      has: true,
      ...facts,
      picture: addressOf("small"),
      large: addressOf("large"),
      why: () => server.why(addressOf("small")),
      value: (axis) => Number(facts.numbers?.[axis] ?? NaN),
    };
  };

  return {
    ...knownOf(data, axes, points),
    patience: 150,

    async count(at, operator, value) {
      const axis = axes[at];
      let all = countsAt(axis, axis.counts, axis.count, value, complete[at]);
      let kept = countsAt(axis, axis.keptCounts, axis.kept, value, complete[at]);
      if (all === null) {
        const found = await server.ask("/api/count", { axis: at, value });
        all = { below: found.below, upto: found.upto };
        kept = { below: found.keptBelow, upto: found.keptUpto };
      }
      return outcome(axis, data.readable, operator, all, kept);
    },

    async near(at, value, most) {
      const found = await server.ask("/api/near", { axis: at, value, most });
      return { below: found.below.map(image), above: found.above.map(image) };
    },

    async images({ groups = null, text = "", axis = null, descending = false, offset = 0, limit = 48 }) {
      const found = await server.ask("/api/images", {
        groups: groups === null ? "" : groups.join(), text, axis: axis ?? "", descending: descending ? 1 : 0, offset, limit,
      });
      return { ...found, images: found.images.map(image) };
    },

    async image(position) {
      return image(await server.ask("/api/image", { at: position }));
    },

    async cloud(x, y, colour) {
      return points.cloud(x, y, colour, (row) => positions[row], (row) => row % drawn === 0);
    },

    async alike({ order = "far", offset = 0, limit = 24 }) {
      const found = await server.ask("/api/alike", { order, offset, limit });
      return {
        total: found.total,
        groups: found.groups.map((one) => ({
          ...one,
          kept: one.kept && image(one.kept),
          removed: one.removed.map((removed) => ({ ...removed, image: image(removed.image) })),
        })),
      };
    },

    async leaks({ offset = 0, limit = 24 }) {
      const found = await server.ask("/api/leaks", { offset, limit });
      const listed = found.listed.map((one) => ({ ...one, image: image(one.image), figure: one.figure && image(one.figure) }));
      return { total: found.total, listed };
    },
  };
}

const store = servedStore(given);
