// A rate against what was asked for: a bar with its numbers and their unit.

import { fineRate } from "../format";

type Props = { label: string; direction: "down" | "up"; value_mbps: number | null; demand_mbps: number };

export function Meter({ label, direction, value_mbps, demand_mbps }: Props) {
  const value = fineRate(value_mbps);
  const demand = fineRate(demand_mbps);
  const filled = demand_mbps > 0 ? Math.max(0, Math.min(1, (value_mbps ?? 0) / demand_mbps)) : 0;
  return (
    <div class={`meter meter-${direction}`}>
      <p class="meter-words">
        <span class="meter-label">{label}</span>
        <span>
          <strong>{value.unit === demand.unit ? value.figure : `${value.figure} ${value.unit}`}</strong> of {demand.figure}{" "}
          <span class="unit">{demand.unit}</span>
        </span>
      </p>
      <span class="meter-track" aria-hidden="true">
        <span class="meter-fill" style={{ transform: `scaleX(${filled})` }} />
      </span>
    </div>
  );
}
