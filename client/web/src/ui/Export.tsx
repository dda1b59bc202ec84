// Taking the result along: copied or saved, as JSON. Nothing leaves the browser.

import { useState } from "preact/hooks";
import { exportJson } from "../session";

type Copied = "not_yet" | "done" | "denied";

const copyWords: Record<Copied, string> = {
  not_yet: "Copy as JSON",
  done: "Copied",
  denied: "Copying was not allowed",
};

function save(): void {
  const url = URL.createObjectURL(new Blob([exportJson()], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "bufferbloat-result.json";
  link.click();
  URL.revokeObjectURL(url);
}

export function Export() {
  const [copied, setCopied] = useState<Copied>("not_yet");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(exportJson());
      setCopied("done");
    } catch {
      setCopied("denied");
    }
  };
  return (
    <>
      <button type="button" class="quiet" onClick={() => void copy()}>
        <span aria-live="polite">{copyWords[copied]}</span>
      </button>
      <button type="button" class="quiet" onClick={save}>
        Save as JSON
      </button>
    </>
  );
}
