// A chart over the time of a test, drawn by uPlot: phases shaded and named, colours taken from the theme.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Columns } from "../measurement/series";

/** One line of a chart. Colours are names of the theme's custom properties. */
export type Line = {
  label: string;
  color: string;
  isFilled: boolean;
  /** On the scale at the right edge, which has a unit of its own. */
  isRight?: boolean;
};

/** A phase as a chart shows it: named where it has a name, shaded where its samples count. */
export type Band = { start_us: number; end_us: number; name: string; isShaded: boolean };

type Props = {
  label: string;
  unit: string;
  lines: Line[];
  columns: Columns;
  bands: Band[];
  /** The scale never shows less than this, so that a calm line looks calm. */
  least: number;
  /** The right scale's unit and least, where lines need one. */
  right?: { unit: string; least: number };
};

const HEIGHT_PX = 220;
const HEIGHT_NARROW_PX = 180;
const NARROW_PX = 560;
const FONT = "12px system-ui, sans-serif";

function themeColor(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function drawBands(plot: uPlot, bands: readonly Band[]): void {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  ctx.save();
  ctx.textBaseline = "bottom";
  ctx.textAlign = "center";
  ctx.font = FONT.replace("12px", `${12 * scale}px`);
  for (const span of bands) {
    const left = plot.valToPos(span.start_us / 1e6, "x", true);
    const right = plot.valToPos(span.end_us / 1e6, "x", true);
    if (span.isShaded) {
      ctx.fillStyle = themeColor("band");
      // A gap on the left, so that two shaded phases in a row stay two.
      ctx.fillRect(left + scale, bbox.top, right - left - scale, bbox.height);
    }
    const { name } = span;
    if (name !== "" && ctx.measureText(name).width < right - left) {
      ctx.fillStyle = themeColor("muted");
      ctx.fillText(name, (left + right) / 2, bbox.top - 4 * scale);
    }
  }
  ctx.restore();
}

function heightFor(width: number): number {
  return width < NARROW_PX ? HEIGHT_NARROW_PX : HEIGHT_PX;
}

export function Chart({ label, unit, lines, columns, bands, least, right }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef({ bands, columns });
  latest.current = { bands, columns };

  useEffect(() => {
    const element = holder.current;
    if (element === null) return undefined;
    const create = () => {
      plot.current?.destroy();
      const axis = {
        stroke: themeColor("muted"),
        font: FONT,
        grid: { stroke: themeColor("grid"), width: 1 },
        ticks: { show: false },
      };
      plot.current = new uPlot(
        {
          width: element.clientWidth,
          height: heightFor(element.clientWidth),
          legend: { show: false },
          cursor: { show: false },
          // The names of the phases stand above the plot, where no line crosses them.
          padding: [22, right === undefined ? 18 : 0, 0, 0],
          scales: {
            x: { time: false, range: () => [0, (latest.current.bands.at(-1)?.end_us ?? 40e6) / 1e6] },
            y: { range: (_, __, max) => [0, Math.max(least, (max ?? 0) * 1.1)] },
            ...(right === undefined
              ? {}
              : { right: { range: (_: uPlot, __: number, max: number) => [0, Math.max(right.least, (max ?? 0) * 1.1)] as uPlot.Range.MinMax } }),
          },
          axes: [
            { ...axis, size: 28, space: 50, incrs: [1, 5, 10, 20, 60], values: (_, ticks) => ticks.map((tick) => `${tick} s`), grid: { show: false } },
            { ...axis, size: 48, space: 36 },
            ...(right === undefined ? [] : [{ ...axis, scale: "right", side: 1 as const, size: 48, space: 36, grid: { show: false } }]),
          ],
          series: [
            {},
            ...lines.map((line) => ({
              label: line.label,
              scale: line.isRight === true ? "right" : "y",
              stroke: themeColor(line.color),
              width: line.isRight === true ? 1 : 1.75,
              points: { show: false },
              ...(line.isFilled ? { fill: `color-mix(in srgb, ${themeColor(line.color)} 13%, transparent)` } : {}),
            })),
          ],
          hooks: { drawClear: [(drawn) => drawBands(drawn, latest.current.bands)] },
        },
        latest.current.columns as uPlot.AlignedData,
        element,
      );
    };
    create();
    const resize = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width > 0 && width !== plot.current?.width) plot.current?.setSize({ width, height: heightFor(width) });
    });
    resize.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", create);
    const theme = new MutationObserver(create);
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      resize.disconnect();
      theme.disconnect();
      scheme.removeEventListener("change", create);
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);

  useEffect(() => {
    plot.current?.setData(columns as uPlot.AlignedData);
  }, [columns]);

  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">
          {label} <span class="unit">{right === undefined ? unit : `${unit}, right: ${right.unit}`}</span>
        </span>
        {lines.length > 1 && (
          <span class="legend">
            {lines.map((line) => (
              <span key={line.label} class={`legend-item legend-${line.color}${line.isRight === true ? " legend-filled" : ""}`}>
                {line.label}
              </span>
            ))}
          </span>
        )}
      </figcaption>
      <div ref={holder} class="plot" aria-hidden="true" />
    </figure>
  );
}
