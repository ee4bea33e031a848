/** Clients that go on asking, and what they were answered: for tests in which nothing may fail. */
import { pause } from "../journeys/chance.ts";

export interface LoadReport {
  readonly answered: number;
  /** What should not have been: an error of the connection, a status of 5xx or 429. At most a hundred are kept. */
  readonly failures: readonly string[];
  /** Milliseconds of the slowest answer. */
  readonly slowestMs: number;
}

export interface Load {
  stop(): Promise<LoadReport>;
}

/** So many clients, each on a connection that it keeps, which record facts, reserve, confirm, and read. */
export function startLoad(url: string, key: string, clients: number, pauseMs = 5): Load {
  const failures: string[] = [];
  let [answered, slowestMs, isOver] = [0, 0, false];
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };

  async function ask(method: string, path: string, body?: unknown): Promise<void> {
    const from = performance.now();
    try {
      const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
      const answer = await fetch(`${url}${path}`, init);
      const text = await answer.text();
      if (answer.status >= 500 || answer.status === 429) failures.push(`${method} ${path}: ${answer.status} ${text}`);
      answered += 1;
    } catch (error) {
      failures.push(`${method} ${path}: ${String((error as Error).cause ?? error)}`);
    }
    slowestMs = Math.max(slowestMs, performance.now() - from);
    failures.splice(100);
  }

  const client = async (name: number): Promise<void> => {
    for (let step = 0; !isOver; step += 1) {
      const id = `load-${name}-${step}`;
      const data = { sku: `sku-${step % 20}`, location: "leeds", quantity: 5 };
      await ask("POST", "/v1/events", {
        specversion: "1.0",
        source: "load",
        id,
        type: "larder.stock.received.v1",
        data,
      });
      const lines = [{ sku: data.sku, location: "leeds", quantity: 1 }];
      await ask("POST", "/v1/reservations", { id, lines });
      await ask("POST", `/v1/reservations/${id}/confirm`, {});
      await ask("GET", `/v1/availability?sku=${data.sku}`);
      await pause(pauseMs);
    }
  };
  const all = Promise.all(Array.from({ length: clients }, (_, name) => client(name)));
  return {
    async stop() {
      isOver = true;
      await all;
      return { answered, failures, slowestMs };
    },
  };
}
