import { join } from "node:path";
import { type Contender, type ContenderSpec, loadPeer } from "./contender.ts";

interface Redis {
  defineCommand(name: string, definition: { numberOfKeys: number; lua: string }): void;
  take(stock: string, reservation: string, quantity: number, expiresAt: number): Promise<number>;
  mset(...pairs: (string | number)[]): Promise<unknown>;
  info(section: string): Promise<string>;
  quit(): Promise<unknown>;
}
interface IoRedis {
  readonly Redis: new (options: object) => Redis;
}

const lua = `
  local free = tonumber(redis.call('GET', KEYS[1]) or '0')
  if free < tonumber(ARGV[1]) then return 0 end
  redis.call('DECRBY', KEYS[1], ARGV[1])
  redis.call('HSET', KEYS[2], 'stock', KEYS[1], 'quantity', ARGV[1], 'expiresAt', ARGV[2])
  return 1`;

/** Redis by `ioredis`: a script that looks, counts down and keeps the reservation; all callers share one pipeline. */
export async function openRedis({ socket = "" }: ContenderSpec): Promise<Contender> {
  const { Redis } = await loadPeer<IoRedis>("ioredis");
  const redis = new Redis({ path: join(socket, "redis.sock"), enableAutoPipelining: true });
  redis.defineCommand("take", { numberOfKeys: 2, lua });
  return {
    async prepare(skus, units) {
      await redis.mset(...skus.flatMap((sku) => [`stock:${sku}`, units]));
    },
    reserve: async (sku, id) => (await redis.take(`stock:${sku}`, `reservation:${id}`, 1, Date.now() + 900_000)) === 1,
    async close() {
      await redis.quit();
    },
  };
}
