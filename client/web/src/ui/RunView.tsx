// The running test: where it is, the figures of the moment, and the two charts.

import { stop } from "../session";
import { charts, live } from "../store";
import { Charts } from "./Charts";
import { FocusedHeading } from "./Focus";
import { data, ms, rate, signedMs, text, type Quantity } from "./format";
import { Stepper } from "./Stepper";
import { phaseNames, phaseSentences, stepSentences } from "./words";

/** A figure of the moment, in its frame. */
export function Figure({ label, quantity, tone }: { label: string; quantity: Quantity; tone: string }) {
  return (
    <div class={`figure tone-${tone}`}>
      <dt>{label}</dt>
      <dd>
        {quantity.figure} <span class="unit">{quantity.unit}</span>
      </dd>
    </div>
  );
}

export function RunView() {
  const now = live.value;
  const { phases } = charts.value;
  const total_s = (phases.at(-1)?.end_us ?? 0) / 1e6;
  const left_s = Math.max(0, Math.ceil(total_s - now.elapsed_s));
  return (
    <section class="run" data-step={now.step} data-phase={now.phase ?? ""}>
      <div class="run-head">
        <div>
          <FocusedHeading class="run-title">
            {now.phase === null ? stepSentences[now.step] : phaseSentences[now.phase]}
          </FocusedHeading>
          <p class="fine">
            {now.step === "running" && total_s > 0 ? `${left_s} s left · ${text(data(now.transferred_bytes))} transferred` : "\u00a0"}
          </p>
        </div>
        <button type="button" class="stop-button" onClick={stop}>
          Stop <kbd>Esc</kbd>
        </button>
      </div>
      <Stepper phases={phases} names={phaseNames} elapsed_s={now.elapsed_s} />
      <dl class="figures">
        <Figure label="Latency now" quantity={ms(now.latency_ms)} tone="latency" />
        <Figure label="Idle" quantity={ms(now.idle_ms)} tone="plain" />
        <Figure label="Increase" quantity={signedMs(now.increase_ms)} tone="plain" />
        <Figure label="Download" quantity={rate(now.down_mbps)} tone="down" />
        <Figure label="Upload" quantity={rate(now.up_mbps)} tone="up" />
      </dl>
      <Charts />
    </section>
  );
}
