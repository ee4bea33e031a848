import pg from "pg";
import { PlatformError } from "../../kernel/index.ts";
import { endsConnection, faultOf, unreachable } from "./faults.ts";

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database?sslmode=…`: what libpq takes, with its variables (`PGPASSWORD`) and `~/.pgpass`. */
  readonly url: string;
  /** What the connections are called in `pg_stat_activity`. */
  readonly name: string;
  /** Connections of the pool; those of `session` and `listen` come on top. */
  readonly connectionsMax?: number;
  /** Milliseconds of one statement, and of its wait for a lock. */
  readonly statementMsMax?: number;
  /** Milliseconds that a transaction may wait for its client before the server undoes it and ends the connection. */
  readonly idleTransactionMsMax?: number;
  /**
   * Milliseconds that a client may take nothing of an answer before the server ends the connection. It sends answers before
   * it commits, so a process that is paused would else keep what it has locked for as long. Without effect on Unix sockets.
   */
  readonly unreadMsMax?: number;
  /** Milliseconds until a connection has to stand. */
  readonly connectMsMax?: number;
}

/** A statement that the server prepares once in each connection, by its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export type Row = Readonly<Record<string, unknown>>;

/** What runs statements. */
export interface Querying {
  /**
   * Runs one statement, or several without values, divided by semicolons; gives the rows of the last.
   *
   * Throws `PlatformError("storage-unavailable")` when nothing was done: the server can't be reached, or refused; and
   * `OutcomeUnknown` when the answer was lost.
   */
  query<R extends object = Row>(statement: Statement | string, values?: readonly unknown[]): Promise<R[]>;
}

/** A connection of its own: for what lasts longer than a statement. It is not made again when it is lost. */
export interface Session extends Querying {
  /** The server's process that serves it, as the other side said when it connected. */
  readonly processId: number;
  /** Called once, when the connection ends, by whomever; never, once what this gives has been called. */
  onEnd(listener: () => void): () => void;
  onNotification(listener: (channel: string, payload: string) => void): void;
  close(): Promise<void>;
}

const oldestVersion = 15;
const defaults = {
  connectionsMax: 8,
  statementMsMax: 30_000,
  idleTransactionMsMax: 10_000,
  unreadMsMax: 5000,
  connectMsMax: 5000,
};

/**
 * A PostgreSQL server, by a pool of connections that are made when they are needed. Every session commits durably
 * (`synchronous_commit` is `on`, or `remote_apply` where the server's is), reads what is committed, and has limits of time, whatever the server's settings are.
 *
 * Connections to a pooler have to be sessions of their own: statements are prepared, and settings made, once in each.
 */
export class Postgres implements Querying {
  /** Where it is, without the password: for messages. */
  readonly where: string;
  readonly #options: Required<PostgresOptions>;
  readonly #config: pg.ClientConfig;
  readonly #pool: pg.Pool;

  constructor(options: PostgresOptions) {
    this.#options = { ...defaults, ...options };
    this.where = placeOf(options.url);
    const { url, name, connectionsMax, statementMsMax, connectMsMax } = this.#options;
    this.#config = {
      connectionString: url,
      application_name: name,
      connectionTimeoutMillis: connectMsMax,
      // Of a server that is gone without a word nothing would ever come.
      query_timeout: statementMsMax + 2000,
      keepAlive: true,
      types: { getTypeParser: parserOf },
    };
    this.#pool = new pg.Pool({
      ...this.#config,
      max: connectionsMax,
      idleTimeoutMillis: 60_000,
      allowExitOnIdle: true,
      onConnect: (client: pg.ClientBase) => this.#prepare(client),
    } as pg.PoolConfig);
    // The pool has taken the connection out already; whoever needs one next gets another, or its error.
    this.#pool.on("error", () => undefined);
    // A connection that ends under a statement says so by the statement's error too.
    this.#pool.on("connect", (client) => client.on("error", () => undefined));
  }

  /** Looks whether the server is one that Larder works with. Throws `PlatformError("storage-unavailable")` when not. */
  async check(): Promise<void> {
    const [found] = await this.query<{ version: string; encoding: string }>(
      "select current_setting('server_version_num') as version, current_setting('server_encoding') as encoding",
    );
    const version = Math.floor(Number(found?.version) / 10_000);
    if (version < oldestVersion)
      throw new PlatformError(
        "storage-unavailable",
        `PostgreSQL at ${this.where} is version ${version}; Larder needs ${oldestVersion} or newer`,
      );
    if (found?.encoding !== "UTF8")
      throw new PlatformError(
        "storage-unavailable",
        `the database at ${this.where} is encoded as ${found?.encoding}; Larder needs UTF8`,
      );
  }

  async query<R extends object = Row>(statement: Statement | string, values: readonly unknown[] = []): Promise<R[]> {
    const client = await this.#pool.connect().catch((error) => {
      throw unreachable(this.where, error);
    });
    try {
      const rows = await run<R>(client, statement, values);
      client.release();
      return rows;
    } catch (error) {
      client.release(endsConnection(error));
      throw faultOf(error);
    }
  }

  /**
   * Runs work in one transaction on a connection of its own from the pool; it is undone when the work throws. Locks are
   * held over its round trips: what many wait for belongs into one statement instead. Errors are those of `query`.
   */
  async transaction<T>(work: (session: Querying) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch((error) => {
      throw unreachable(this.where, error);
    });
    let broken = false;
    const query: Querying["query"] = async (statement, values = []) => {
      try {
        return await run(client, statement, values);
      } catch (error) {
        broken ||= endsConnection(error);
        throw faultOf(error);
      }
    };
    try {
      await query("begin");
      const result = await work({ query });
      await query("commit");
      return result;
    } catch (error) {
      if (!broken) await query("rollback").catch(() => undefined);
      throw error;
    } finally {
      client.release(broken);
    }
  }

  /** Opens a connection beside the pool. Throws `PlatformError("storage-unavailable")` when it can't be had. */
  async session(): Promise<Session> {
    const client = new pg.Client(this.#config);
    let hasEnded = false;
    const listeners = new Set<() => void>();
    const end = () => {
      if (hasEnded) return;
      hasEnded = true;
      for (const listener of listeners) listener();
    };
    client.on("error", end);
    client.on("end", end);
    try {
      await client.connect();
      await this.#prepare(client);
    } catch (error) {
      client.end().catch(() => undefined);
      throw unreachable(this.where, error);
    }
    return {
      processId: (client as unknown as { readonly processID: number }).processID,
      async query<R extends object = Row>(statement: Statement | string, values: readonly unknown[] = []) {
        try {
          return await run<R>(client, statement, values);
        } catch (error) {
          throw faultOf(error);
        }
      },
      onEnd(listener) {
        if (hasEnded) listener();
        else listeners.add(listener);
        return () => listeners.delete(listener);
      },
      onNotification: (listener) =>
        void client.on("notification", ({ channel, payload = "" }) => listener(channel, payload)),
      close: async () => {
        await client.end().catch(() => undefined);
      },
    };
  }

  /** Waits for what is under way, then ends the pool's connections. */
  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #prepare(client: pg.ClientBase): Promise<void> {
    const { statementMsMax, idleTransactionMsMax, unreadMsMax } = this.#options;
    // By statements and not by the connection's options, which poolers refuse.
    await client.query(
      `select set_config('synchronous_commit', 'on', false)
         where current_setting('synchronous_commit') not in ('on', 'remote_apply');
       set default_transaction_isolation = 'read committed';
       set statement_timeout = ${statementMsMax}; set lock_timeout = ${statementMsMax};
       set idle_in_transaction_session_timeout = ${idleTransactionMsMax};
       set tcp_user_timeout = ${unreadMsMax};
       set client_min_messages = warning; set jit = off`,
    );
  }
}

async function run<R extends object>(
  client: pg.ClientBase,
  statement: Statement | string,
  values: readonly unknown[],
): Promise<R[]> {
  const text = typeof statement === "string" ? statement : statement.text;
  const name = typeof statement === "string" ? {} : { name: statement.name };
  if (values.length === 0 && typeof statement === "string") {
    const result: pg.QueryResult<R> | pg.QueryResult<R>[] = await client.query<R>(text);
    return (Array.isArray(result) ? result.at(-1) : result)?.rows ?? [];
  }
  return (await client.query<R>({ ...name, text, values: [...values] })).rows;
}

/** Whole numbers of 8 bytes as numbers: ours are times, places and counts below 2^53. */
function parserOf(oid: number, format?: "text" | "binary"): (value: string) => unknown {
  if (oid === pg.types.builtins.INT8 && format !== "binary") return Number;
  return pg.types.getTypeParser(oid, format as "text");
}

function placeOf(url: string): string {
  try {
    const { host, pathname, searchParams } = new URL(url);
    return `${host || searchParams.get("host") || "localhost"}${pathname}`;
  } catch {
    return "the given address";
  }
}
