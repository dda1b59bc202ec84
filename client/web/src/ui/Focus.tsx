// A view's heading: takes the focus when its view appears, so that keyboard and screen reader follow along.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

type Props = { children: ComponentChildren; class?: string };

export function FocusedHeading({ children, class: className }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <h1 ref={heading} tabIndex={-1} class={className}>
      {children}
    </h1>
  );
}
