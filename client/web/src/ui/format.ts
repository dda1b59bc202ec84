// Numbers as people read them: three digits at most, the unit beside them.

/** A figure and its unit, apart, so that they can be set differently. */
export type Quantity = { figure: string; unit: string };

/** Shown where there is no value. */
export const NONE = "–";

function digits(value: number): string {
  const size = Math.abs(value);
  if (size < 9.95) return value.toFixed(1);
  return Math.round(value).toLocaleString("en", { useGrouping: size >= 10_000 });
}

/** Milliseconds. */
export function ms(value: number | null): Quantity {
  if (value === null) return { figure: NONE, unit: "ms" };
  return { figure: digits(value), unit: "ms" };
}

/** Milliseconds with their sign: a difference. */
export function signedMs(value: number | null): Quantity {
  if (value === null) return { figure: NONE, unit: "ms" };
  const size = digits(Math.abs(value));
  if (Number(size) === 0) return { figure: "+0", unit: "ms" };
  return { figure: `${value < 0 ? "−" : "+"}${size}`, unit: "ms" };
}

/** A rate, in Mbit/s or Gbit/s. */
export function rate(value_mbps: number | null): Quantity {
  if (value_mbps === null) return { figure: NONE, unit: "Mbit/s" };
  if (value_mbps >= 999.5) return { figure: (value_mbps / 1000).toFixed(2), unit: "Gbit/s" };
  return { figure: digits(value_mbps), unit: "Mbit/s" };
}

/** The same, below 1 to a hundredth. */
export function fineRate(value_mbps: number | null): Quantity {
  if (value_mbps === null || value_mbps >= 0.995) return rate(value_mbps);
  return { figure: value_mbps.toFixed(2), unit: "Mbit/s" };
}

/** An amount of data, in MB or GB. */
export function data(bytes: number): Quantity {
  if (bytes >= 1e9) return { figure: (bytes / 1e9).toFixed(2), unit: "GB" };
  return { figure: Math.round(bytes / 1e6).toString(), unit: "MB" };
}

/** A share as per cent. */
export function percent(ratio: number | null): string {
  if (ratio === null) return NONE;
  if (ratio === 0) return "0 %";
  return `${(ratio * 100).toFixed(ratio < 0.0995 ? 1 : 0)} %`;
}

/** A whole number. */
export function whole(value: number | null): string {
  return value === null ? NONE : Math.round(value).toLocaleString("en");
}

/** Figure and unit in one. */
export function text(quantity: Quantity): string {
  return quantity.figure === NONE ? NONE : `${quantity.figure} ${quantity.unit}`;
}
