import { randomFillSync } from "node:crypto";

const poolBytes = 8192;

/** Strong random bytes, drawn from the system many at a time: a call to it for each id costs more than the id. */
export function pooledRandom(): (bytes: number) => Uint8Array {
  const pool = new Uint8Array(poolBytes);
  let used = poolBytes;
  return (bytes) => {
    if (bytes > poolBytes) return randomFillSync(new Uint8Array(bytes));
    if (used + bytes > poolBytes) {
      randomFillSync(pool);
      used = 0;
    }
    const drawn = pool.slice(used, used + bytes);
    pool.fill(0, used, used + bytes); // what was given out, perhaps a key, is kept nowhere else
    used += bytes;
    return drawn;
  };
}
