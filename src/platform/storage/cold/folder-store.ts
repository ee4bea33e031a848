import { existsSync } from "node:fs";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder, syncFolder } from "../../sqlite/index.ts";
import type { ColdStore } from "./port.ts";

/** What a put that was cut short leaves behind. */
const partialEnd = ".partial";

/** Cold files in a folder, which is made when the first one comes. */
export class FolderColdStore implements ColdStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    makeFolder(this.#folder);
    const path = join(this.#folder, name);
    const partial = path + partialEnd;
    const file = await open(partial, "w");
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
    syncFolder(this.#folder);
  }

  async read(name: string, start: number, end: number): Promise<Uint8Array> {
    const file = await open(join(this.#folder, name), "r");
    try {
      const bytes = new Uint8Array(end - start);
      for (let filled = 0; filled < bytes.length; ) {
        const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled);
        if (bytesRead === 0) throw new Error(`${name} ends at byte ${start + filled}, before ${end}`);
        filled += bytesRead;
      }
      return bytes;
    } finally {
      await file.close();
    }
  }

  async size(name: string): Promise<number | undefined> {
    try {
      return (await stat(join(this.#folder, name))).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  async list(): Promise<readonly string[]> {
    if (!existsSync(this.#folder)) return [];
    return (await readdir(this.#folder)).filter((name) => !name.endsWith(partialEnd)).sort();
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#folder, name), { force: true });
  }
}
