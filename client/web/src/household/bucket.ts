// An integer token bucket that loses nothing to rounding; the twin of `protocol/src/pacing/bucket.rs`. Pure.
//
// Tokens are bytes. What an interval yields above whole bytes is carried on in units of a bit × nanosecond, so the rate is
// exact over any time. Products of a rate and a time pass 2^53, hence the BigInt inside; times outside are whole ns.

/** Bit × nanoseconds in a byte at 1 bit/s. */
const UNITS_PER_BYTE = 8_000_000_000n;

/** See the module's head. */
export class TokenBucket {
  #rate_bps: bigint;
  #burst_bytes: bigint;
  #tokens_bytes = 0n;
  /** Below `UNITS_PER_BYTE`; zero when the bucket is full. */
  #remainder = 0n;
  #filled_ns: number;

  /** An empty bucket that fills from `now_ns` on. */
  constructor(now_ns: number, rate_bps: number, burst_bytes: number) {
    this.#filled_ns = now_ns;
    this.#rate_bps = BigInt(rate_bps);
    this.#burst_bytes = BigInt(burst_bytes);
  }

  /** Takes so many bytes, if they are there. Time that goes back is time that stands still. */
  take(now_ns: number, bytes: number): boolean {
    this.#fill(now_ns);
    const wanted = BigInt(bytes);
    if (wanted > this.#tokens_bytes) return false;
    this.#tokens_bytes -= wanted;
    return true;
  }

  /** The first moment at which so many bytes can be taken, ns; infinite when they never can. */
  readyAt(bytes: number): number {
    const wanted = BigInt(bytes);
    if (wanted <= this.#tokens_bytes) return this.#filled_ns;
    if (wanted > this.#burst_bytes || this.#rate_bps === 0n) return Number.POSITIVE_INFINITY;
    const missing = (wanted - this.#tokens_bytes) * UNITS_PER_BYTE - this.#remainder;
    return this.#filled_ns + Number((missing + this.#rate_bps - 1n) / this.#rate_bps);
  }

  #fill(now_ns: number): void {
    if (now_ns <= this.#filled_ns) return;
    const units = BigInt(now_ns - this.#filled_ns) * this.#rate_bps + this.#remainder;
    this.#filled_ns = now_ns;
    this.#tokens_bytes += units / UNITS_PER_BYTE;
    this.#remainder = units % UNITS_PER_BYTE;
    if (this.#tokens_bytes >= this.#burst_bytes) {
      // A full bucket yields nothing: that bounds the burst after a pause.
      this.#tokens_bytes = this.#burst_bytes;
      this.#remainder = 0n;
    }
  }
}
