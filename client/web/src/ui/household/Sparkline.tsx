// A user's latency over the last seconds, as a line without numbers; the number stands beside it.

const WIDTH = 120;
const HEIGHT = 32;
/** The scale never shows less than this, ms: a calm line shall look calm. */
const LEAST_MS = 60;

/** A path through the points; a gap where there is none. */
function pathOf(points: (number | null)[], most: number): string {
  let path = "";
  let isDown = false;
  for (const [index, value] of points.entries()) {
    if (value === null) {
      isDown = false;
      continue;
    }
    const x = ((index + 0.5) / points.length) * WIDTH;
    const y = HEIGHT - 2 - (Math.min(value, most) / most) * (HEIGHT - 4);
    path += `${isDown ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    isDown = true;
  }
  return path;
}

export function Sparkline({ values }: { values: (number | null)[] }) {
  const most = values.reduce<number>((largest, value) => Math.max(largest, value ?? 0), LEAST_MS);
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={pathOf(values, most)} />
    </svg>
  );
}
