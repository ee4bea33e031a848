/** What reserves a unit of stock, however it does: Larder and what people use today. */
export interface Contender {
  /** Makes stock of new skus: so many units of each, at one place. */
  prepare(skus: readonly string[], units: number): Promise<void>;
  /** Takes one unit; true once it is taken and, where the contender is durable, on disk; false when there is none. */
  reserve(sku: string, id: string): Promise<boolean>;
  /** Takes one unit of each of several skus, or nothing, if it can. */
  reserveCart?(skus: readonly string[], id: string): Promise<boolean>;
  close(): Promise<void>;
}

/** How a contender is opened. Crosses to another process as JSON. */
export interface ContenderSpec {
  readonly kind:
    | "larder"
    | "larder-memory"
    | "larder-postgres"
    | "postgres"
    | "redis"
    | "medusa"
    | "emmett-postgresql"
    | "emmett-sqlite"
    | "bare";
  /** Where its files go, if it has any. */
  readonly folder?: string;
  /** Folder of the socket of the database that it talks to. */
  readonly socket?: string;
  /** Its port on the loopback interface. */
  readonly port?: number;
  /** Larder on PostgreSQL: the database, made when it is not there. */
  readonly database?: string;
  /** Connections to it. */
  readonly pool?: number;
  /** PostgreSQL: the update and the insert as one statement, or as a transaction of two. */
  readonly style?: "statement" | "transaction";
}

export const plenty = 1_000_000_000;
export const location = "here";

/** A receipt of plenty, as a fact that Larder takes. */
export function received(number: number, sku: string) {
  return {
    specversion: "1.0",
    source: "bench",
    id: `fact-${number}`,
    type: "larder.stock.received.v1",
    data: { sku, location, quantity: 1_000_000 },
  };
}

const openers: Readonly<Record<ContenderSpec["kind"], (spec: ContenderSpec) => Promise<Contender>>> = {
  larder: async (spec) => (await import("./larder.ts")).openOnSqlite(spec),
  "larder-memory": async () => (await import("./larder.ts")).openInMemory(),
  "larder-postgres": async (spec) => (await import("./larder.ts")).openOnPostgres(spec),
  postgres: async (spec) => (await import("./postgres.ts")).openPostgres(spec),
  redis: async (spec) => (await import("./redis.ts")).openRedis(spec),
  medusa: async (spec) => (await import("./medusa.ts")).openMedusa(spec),
  "emmett-postgresql": async (spec) => (await import("./emmett.ts")).openEmmett(spec),
  "emmett-sqlite": async (spec) => (await import("./emmett.ts")).openEmmett(spec),
  bare: async () => ({ prepare: async () => undefined, reserve: async () => true, close: async () => undefined }),
};

export async function openContender(spec: ContenderSpec): Promise<Contender> {
  return await openers[spec.kind](spec);
}

/** A package of bench/package.json. It is loaded by a name that the type check does not follow: it may not be there. */
export async function loadPeer<T>(name: string): Promise<T> {
  return (await import(name)) as T;
}
