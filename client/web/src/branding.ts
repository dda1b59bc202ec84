// The operator's own look: asked of the node once, before the page is drawn for the first time.

import { request } from "./measurement/api";
import type { Branding } from "./protocol";
import { branding } from "./store";
import { accentColours } from "./ui/accent";

/** The page is drawn without it then, and changes when it comes, ms. */
const PATIENCE_MS = 700;

/** Resolves when it is known, or when it takes too long or fails: a page without a look of its own is a page, too. */
export async function loadBranding(): Promise<void> {
  const late = new Promise<void>((done) => {
    setTimeout(done, PATIENCE_MS);
  });
  const known = request<Branding>("/api/branding", {})
    .then((reply) => {
      branding.value = reply;
      if (reply.accent_colour !== null) setAccent(reply.accent_colour);
    })
    .catch(() => undefined);
  await Promise.race([known, late]);
}

/** By the object model: the page's policy allows no inline styles. */
function setAccent(colour: string): void {
  const [light, dark] = [accentColours(colour, "light"), accentColours(colour, "dark")];
  const { style } = document.documentElement;
  const set = (name: string, inLight: string, inDark: string) => style.setProperty(name, `light-dark(${inLight}, ${inDark})`);
  set("--accent", light.accent, dark.accent);
  set("--on-accent", light.onAccent, dark.onAccent);
  set("--accent-strong", light.accentStrong, dark.accentStrong);
  set("--accent-text", light.accentText, dark.accentText);
  set("--accent-edge", light.accentEdge ?? "transparent", dark.accentEdge ?? "transparent");
}
