import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CuttingProxy } from "../../../../test/cutting-proxy.ts";
import { execute, type TestPostgres } from "../../../../test/postgres.ts";
import { sampleTagging } from "../samples.ts";
import { openPostgresStorage, type PostgresStorage, type PostgresStorageOptions } from "./index.ts";

/** A log in an empty database, and those who have it open: each by a data folder of its own. */
export class TestStore {
  readonly url: string;
  /** The same database, by way of a proxy that may cut. */
  readonly proxyUrl: string;
  readonly proxy: CuttingProxy;
  readonly #folder = mkdtempSync(join(tmpdir(), "larder-postgres-"));
  readonly #opened: PostgresStorage[] = [];

  private constructor(url: string, proxy: CuttingProxy) {
    this.url = url;
    this.proxy = proxy;
    this.proxyUrl = Object.assign(new URL(url), { port: String(proxy.port) }).toString();
  }

  static async make(postgres: TestPostgres): Promise<TestStore> {
    return new TestStore(await postgres.database(), await CuttingProxy.start(postgres.port));
  }

  /** Opens it as the process of that name would. */
  async open(
    name = `process-${this.#opened.length}`,
    options: Partial<PostgresStorageOptions> = {},
  ): Promise<PostgresStorage> {
    const folder = join(this.#folder, name);
    const storage = await openPostgresStorage({ url: this.url, folder, tagging: sampleTagging, ...options });
    this.#opened.push(storage);
    return storage;
  }

  /** Runs a statement on the database. */
  async execute(statement: string): Promise<void> {
    await execute(this.url, statement);
  }

  async remove(): Promise<void> {
    for (const storage of this.#opened) await storage.close();
    await this.proxy.stop();
    rmSync(this.#folder, { recursive: true });
  }
}
