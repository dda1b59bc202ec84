// The phases as one bar: each as wide as it is long, filled as time goes by.

type Span<Phase> = { phase: Phase; start_us: number; end_us: number };

type Props<Phase extends string> = { phases: Span<Phase>[]; names: Record<Phase, string>; elapsed_s: number };

export function Stepper<Phase extends string>({ phases, names, elapsed_s }: Props<Phase>) {
  const total_s = (phases.at(-1)?.end_us ?? 0) / 1e6;
  const done_s = Math.min(elapsed_s, total_s);
  return (
    <div class="stepper">
      <ol>
        {phases.map((span) => {
          const start_s = span.start_us / 1e6;
          const length_s = span.end_us / 1e6 - start_s;
          const filled = Math.max(0, Math.min(1, (elapsed_s - start_s) / length_s));
          const isCurrent = filled > 0 && filled < 1;
          return (
            <li
              key={span.phase}
              class={isCurrent ? "current" : filled === 1 ? "done" : "ahead"}
              style={{ flexGrow: String(length_s) }}
              {...(isCurrent ? { "aria-current": "step" as const } : {})}
            >
              <span class="track">
                <span class="fill" style={{ transform: `scaleX(${filled})` }} />
              </span>
              <span class="step-name">{names[span.phase]}</span>
            </li>
          );
        })}
      </ol>
      <div
        class="visually-hidden"
        role="progressbar"
        aria-label="Progress of the test"
        aria-valuemin={0}
        aria-valuemax={Math.round(total_s)}
        aria-valuenow={Math.round(done_s)}
        aria-valuetext={`${Math.round(done_s)} of ${Math.round(total_s)} seconds`}
      />
    </div>
  );
}
