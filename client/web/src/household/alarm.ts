// A timer for a worker's next deadline, to the millisecond. Browsers hold timers that are set from within timers to 4 ms;
// one that is set from a message's handler is not held, so each firing goes through a message first.

/** See the module's head. */
export class Alarm {
  readonly #channel = new MessageChannel();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `handle` is called when the time has come; it sets the next one. */
  constructor(handle: () => void) {
    this.#channel.port1.onmessage = handle;
  }

  /** Fires in `delay_us`, or at once; replaces what was set before. Never early: a deadline met early is asked for twice. */
  set(delay_us: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#channel.port2.postMessage(null), Math.max(0, Math.ceil(delay_us / 1000)));
  }

  /** Fires no more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#channel.port1.onmessage = null;
    this.#channel.port1.close();
  }
}
