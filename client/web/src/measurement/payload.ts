// Incompressible upload payload, made once in each worker: random so that no compressing link can shrink it.

/** The most that one call of `crypto.getRandomValues` fills. */
const RANDOM_CALL_BYTES_MAX = 65_536;

/** `length` random bytes. */
export function randomPayload(length: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(length);
  for (let at = 0; at < length; at += RANDOM_CALL_BYTES_MAX) {
    crypto.getRandomValues(payload.subarray(at, Math.min(at + RANDOM_CALL_BYTES_MAX, length)));
  }
  return payload;
}
