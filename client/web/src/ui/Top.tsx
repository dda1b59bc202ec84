// The page's header: the name, under the product's mark or the operator's logo, and whose node it is.

import { reset } from "../session";
import { branding, view } from "../store";

export function Top() {
  return (
    <header class={branding.value.sponsor === null ? "top" : "top hosted"}>
      <a
        class="brand"
        href="/"
        onClick={(event) => {
          // A running test is left by Stop or by leaving the page, not by a stray tap on the name.
          event.preventDefault();
          if (view.value.name !== "running") reset();
        }}
      >
        <Mark />
        Bufferbloat test
      </a>
      <Host />
    </header>
  );
}

function Mark() {
  const { logo_path, sponsor } = branding.value;
  if (logo_path !== null) return <img class="logo" src={logo_path} alt={sponsor?.name ?? ""} />;
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M5 21h5c3 0 3.5-12 6.5-12S19 21 22 21h5" />
    </svg>
  );
}

function Host() {
  const { sponsor } = branding.value;
  if (sponsor === null) return null;
  const { name, link, city } = sponsor;
  return (
    <p class="host">
      Hosted by{" "}
      {link === null ? (
        name
      ) : (
        <a href={link} target="_blank" rel="noopener noreferrer">
          {name}
        </a>
      )}
      {city === null ? null : `, ${city}`}
    </p>
  );
}
