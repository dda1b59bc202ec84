// The two things a dedicated worker's global scope offers that the page's does not, with types.

type Scope<Order, Notice> = {
  postMessage: (notice: Notice) => void;
  onmessage: ((event: MessageEvent<Order>) => void) | null;
};

/** This worker's own scope. */
export function workerScope<Order, Notice>(): Scope<Order, Notice> {
  return self as unknown as Scope<Order, Notice>;
}
