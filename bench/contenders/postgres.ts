import { type Contender, type ContenderSpec, loadPeer } from "./contender.ts";

interface Client {
  query(query: string | { name: string; text: string; values: readonly unknown[] }): Promise<{
    readonly rowCount: number | null;
    readonly rows: readonly { readonly bytes?: string }[];
  }>;
  release(): void;
}
interface Pool {
  query: Client["query"];
  connect(): Promise<Client>;
  end(): Promise<void>;
}
interface Pg {
  readonly default: { readonly Pool: new (options: object) => Pool };
}

/** The tables of the usual design: a row of stock that is counted down, and a row for each reservation. */
export const schema = `
  CREATE TABLE IF NOT EXISTS stock (sku text PRIMARY KEY, free bigint NOT NULL CHECK (free >= 0));
  CREATE TABLE IF NOT EXISTS reservation (
    id text PRIMARY KEY, sku text NOT NULL, quantity bigint NOT NULL, expires_at timestamptz NOT NULL
  );`;

const take = "UPDATE stock SET free = free - $2 WHERE sku = $1 AND free >= $2";
const keep =
  "INSERT INTO reservation (id, sku, quantity, expires_at) VALUES ($1, $2, $3, now() + interval '15 minutes')";
const takeAndKeep = `
  WITH taken AS (UPDATE stock SET free = free - $3 WHERE sku = $2 AND free >= $3 RETURNING sku)
  INSERT INTO reservation (id, sku, quantity, expires_at)
  SELECT $1, sku, $3, now() + interval '15 minutes' FROM taken`;

/** PostgreSQL by `pg`, with prepared statements: a conditional update and an insert, in one statement or a transaction. */
export async function openPostgres({
  socket,
  port,
  pool: max = 16,
  style = "statement",
}: ContenderSpec): Promise<Contender> {
  const { default: pg } = await loadPeer<Pg>("pg");
  const pool = new pg.Pool({ host: socket, port, user: "bench", database: "postgres", max });
  await pool.query(schema);
  const named = (name: string, text: string, values: readonly unknown[]) => ({ name, text, values });

  const inOne = async (sku: string, id: string) =>
    (await pool.query(named("take-and-keep", takeAndKeep, [id, sku, 1]))).rowCount === 1;
  const inTwo = async (sku: string, id: string) => {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      const { rowCount } = await client.query(named("take", take, [sku, 1]));
      if (rowCount === 1) await client.query(named("keep", keep, [id, sku, 1]));
      await client.query(rowCount === 1 ? "COMMIT" : "ROLLBACK");
      return rowCount === 1;
    } finally {
      client.release();
    }
  };
  return {
    async prepare(skus, units) {
      const text = "INSERT INTO stock SELECT sku, $2 FROM unnest($1::text[]) AS sku";
      await pool.query(named("prepare", text, [skus, units]));
    },
    reserve: style === "statement" ? inOne : inTwo,
    close: () => pool.end(),
  };
}
