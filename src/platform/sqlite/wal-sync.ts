import { closeSync, fdatasync, openSync } from "node:fs";
import { promisify } from "node:util";

const fdatasyncAsync = promisify(fdatasync);

/** Puts on disk what has been written to a database. */
export interface DiskSync {
  /** Resolves when all that was written before the call survives a loss of power. */
  sync(): Promise<void>;
  close(): void;
}

/** Syncs a WAL through a descriptor of its own, in libuv's threads. The file must be there. */
export class WalSync implements DiskSync {
  readonly #descriptor: number;

  constructor(path: string) {
    this.#descriptor = openSync(path, "r+");
  }

  sync(): Promise<void> {
    return fdatasyncAsync(this.#descriptor);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
