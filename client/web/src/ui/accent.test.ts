// The accent's contrast, for every kind of colour that an operator may have.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { accentColours, contrast, grounds, type Scheme } from "./accent";

const SCHEMES: Scheme[] = ["light", "dark"];

/** Every colour whose parts are multiples of 51, and some that operators have. */
function* colours(): Generator<string> {
  yield* ["#1656c4", "#e2001a", "#ffcc00", "#00a651", "#767676", "#777777", "#fbfbf9", "#101418"];
  const part = (level: number) => (level * 51).toString(16).padStart(2, "0");
  for (let index = 0; index < 216; index += 1) {
    yield `#${part(Math.floor(index / 36))}${part(Math.floor(index / 6) % 6)}${part(index % 6)}`;
  }
}

it("measures contrast as WCAG does", () => {
  expect(contrast("#ffffff", "#000000")).toBeCloseTo(21, 6);
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 6);
  expect(contrast("#12ab9f", "#12ab9f")).toBe(1);
  // The grey that is known for just passing on white, and the one beside it that does not.
  expect(contrast("#767676", "#ffffff")).toBeCloseTo(4.54, 2);
  expect(contrast("#777777", "#ffffff")).toBeCloseTo(4.48, 2);
});

it("can be read on the grounds and written on, whatever the colour", () => {
  for (const colour of colours()) {
    for (const scheme of SCHEMES) {
      const { accent, onAccent, accentStrong, accentText, accentEdge } = accentColours(colour, scheme);
      expect(accent).toBe(colour);
      expect(contrast(onAccent, accent), colour).toBeGreaterThanOrEqual(4.5);
      expect(contrast(onAccent, accentStrong), colour).toBeGreaterThanOrEqual(4.5);
      for (const ground of grounds[scheme]) {
        expect(contrast(accentText, ground), `${colour} on ${ground}`).toBeGreaterThanOrEqual(4.5);
        expect(contrast(accentEdge ?? accent, ground), `${colour} on ${ground}`).toBeGreaterThanOrEqual(3);
      }
    }
  }
});

it("leaves a colour alone that can be read as it is", () => {
  expect(accentColours("#1656c4", "light")).toMatchObject({ onAccent: "#ffffff", accentText: "#1656c4", accentEdge: null });
  expect(accentColours("#7fb0ff", "dark")).toMatchObject({ onAccent: "#000000", accentText: "#7fb0ff", accentEdge: null });
});

it("gives a fill an edge where its ground nearly swallows it", () => {
  expect(accentColours("#ffcc00", "light").accentEdge).not.toBeNull();
  expect(accentColours("#ffcc00", "dark").accentEdge).toBeNull();
  expect(accentColours("#0b1a33", "light").accentEdge).toBeNull();
  expect(accentColours("#0b1a33", "dark").accentEdge).not.toBeNull();
});

it("knows the grounds of the style sheet", () => {
  const sheet = readFileSync(new URL("../styles.css", import.meta.url), "utf8");
  for (const [index, name] of ["ground", "surface"].entries()) {
    expect(sheet).toContain(`--${name}: light-dark(${grounds.light[index]}, ${grounds.dark[index]});`);
  }
});
