// How much an upload socket may hold that the network has not taken yet. Pure.
//
// Too little and the line runs dry between two turns of the timer; too much and the page itself becomes the queue, and
// a flow cannot end until it has drained.

/** Bounds of the window, bytes. */
export const WINDOW_BYTES_MIN = 64 * 1024;
export const WINDOW_BYTES_MAX = 8 * 1024 * 1024;
/** The window holds what the flow moves in this time, s: several turns of a late timer. */
const WINDOW_S = 0.06;

/** Follows one flow's rate by what its socket took. */
export class UploadWindow {
  #bytes = 4 * WINDOW_BYTES_MIN;
  #rate_bytes_per_s = 0;

  /** Bytes that may wait in the socket now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The socket took `taken_bytes` over `interval_s`; `wasEmpty` says that it had run dry. */
  handleTaken(taken_bytes: number, interval_s: number, wasEmpty: boolean): void {
    if (interval_s <= 0) return;
    const weight = Math.min(1, interval_s / 0.2);
    this.#rate_bytes_per_s += weight * (taken_bytes / interval_s - this.#rate_bytes_per_s);
    // A socket that ran dry shows the window's rate, not the line's: open it further.
    const wanted = wasEmpty ? this.#bytes * 2 : this.#rate_bytes_per_s * WINDOW_S;
    this.#bytes = Math.max(WINDOW_BYTES_MIN, Math.min(WINDOW_BYTES_MAX, wanted));
  }
}
