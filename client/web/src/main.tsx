// Entry: mounts the page and wires the two events that concern all of it.

import { render } from "preact";
import { loadBranding } from "./branding";
import { handlePageHide, stop } from "./session";
import { view } from "./store";
import "./styles.css";
import "./household.css";
import { App } from "./ui/App";

addEventListener("pagehide", handlePageHide);
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && view.value.name === "running") stop();
});

const root = document.getElementById("app");
if (root !== null) {
  await loadBranding();
  render(<App />, root);
}
