// An operator's accent colour made fit for the page: what to write on it, and what of it can be read on the page's grounds.
//
// The rule, by WCAG 2.2: the colour itself fills buttons; on it stands white where that has 4.5:1, else black, one of which
// always has. For texts, focus rings and bars it is mixed with black (on light grounds) or white (on dark ones), no more than
// it takes to have 4.5:1 on every ground. A fill with less than 3:1 gets an edge of that readable colour, so that its shape
// can be seen. Grades and the charts' lines keep their colours: they mean something.

/** `#rrggbb` of each of the page's grounds; those of `styles.css`, which a test compares. */
export const grounds = {
  light: ["#fbfbf9", "#ffffff"],
  dark: ["#101418", "#181d22"],
} as const;

export type Scheme = keyof typeof grounds;

/** The page's custom properties of one scheme, `#rrggbb` each. */
export type AccentColours = {
  /** Fills: the colour as it was given. */
  accent: string;
  /** Text on it. */
  onAccent: string;
  /** A fill under the pointer. */
  accentStrong: string;
  /** Text, rings and bars on a ground. */
  accentText: string;
  /** The edge of a fill, `null` where it needs none. */
  accentEdge: string | null;
};

type Rgb = [number, number, number];

/** Contrast of text (WCAG 2.2, 1.4.3). */
const TEXT_CONTRAST_MIN = 4.5;
/** Contrast of a control's shape (WCAG 2.2, 1.4.11). */
const SHAPE_CONTRAST_MIN = 3;
/** How finely the readable colour is sought. */
const STEPS = 50;
/** How much of black or white a fill takes on under the pointer. */
const STRONG_SHARE = 0.16;

const WHITE = "#ffffff";
const BLACK = "#000000";

/** What the page makes of `colour` (`#rrggbb`) in one scheme. */
export function accentColours(colour: string, scheme: Scheme): AccentColours {
  const onAccent = contrast(colour, WHITE) >= TEXT_CONTRAST_MIN ? WHITE : BLACK;
  const accentText = readable(colour, scheme);
  const isSeen = grounds[scheme].every((ground) => contrast(colour, ground) >= SHAPE_CONTRAST_MIN);
  return {
    accent: colour,
    onAccent,
    // Away from the text on it, which it only makes clearer.
    accentStrong: mixed(colour, onAccent === WHITE ? BLACK : WHITE, STRONG_SHARE),
    accentText,
    accentEdge: isSeen ? null : accentText,
  };
}

/** Contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio"). */
export function contrast(one: string, other: string): number {
  const [first, second] = [luminance(one), luminance(other)];
  return (Math.max(first, second) + 0.05) / (Math.min(first, second) + 0.05);
}

function readable(colour: string, scheme: Scheme): string {
  const end = scheme === "light" ? BLACK : WHITE;
  for (let step = 0; step < STEPS; step += 1) {
    const candidate = mixed(colour, end, step / STEPS);
    if (grounds[scheme].every((ground) => contrast(candidate, ground) >= TEXT_CONTRAST_MIN)) return candidate;
  }
  return end;
}

/** WCAG 2.2, "relative luminance": linear sRGB weighted as in ITU-R BT.709. */
function luminance(colour: string): number {
  const [red, green, blue] = rgb(colour).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function mixed(colour: string, end: string, share: number): string {
  const [from, to] = [rgb(colour), rgb(end)];
  const parts = from.map((value, index) => Math.round(value + ((to[index] ?? value) - value) * share));
  return `#${parts.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

function rgb(colour: string): Rgb {
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
