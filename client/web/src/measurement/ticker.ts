// Waiting for moments of the test's clock. Woken by its own timer and by every message of the probe worker, because a
// browser slows the timers of a hidden page down to one a second, but not its messages.

/** Ends a wait before its time. */
export class Halted extends Error {
  constructor() {
    super("halted");
    this.name = "Halted";
  }
}

type Waiter = { isDue: () => boolean; resolve: () => void; reject: (fault: Error) => void };

/** See the module's head. */
export class Ticker {
  readonly #now_us: () => number;
  #waiters: Waiter[] = [];
  #isHalted = false;

  /** `now_us` counts from the start of the test. */
  constructor(now_us: () => number) {
    this.#now_us = now_us;
  }

  /** Resolves at `at_us`, or earlier when `isEnough` becomes true; rejects with `Halted`. */
  until(at_us: number, isEnough: () => boolean = () => false): Promise<void> {
    if (this.#isHalted) return Promise.reject(new Halted());
    const isDue = () => this.#now_us() >= at_us || isEnough();
    if (isDue()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ isDue, resolve, reject });
      setTimeout(() => this.tick(), Math.max(0, Math.ceil((at_us - this.#now_us()) / 1000)));
    });
  }

  /** Looks whether anyone's moment has come. */
  tick(): void {
    const due = this.#waiters.filter((waiter) => waiter.isDue());
    this.#waiters = this.#waiters.filter((waiter) => !due.includes(waiter));
    for (const waiter of due) waiter.resolve();
  }

  /** Ends every wait, now and from now on. */
  halt(): void {
    this.#isHalted = true;
    const waiting = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiting) waiter.reject(new Halted());
  }
}
