import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { secretKey } from "./secret-key.ts";

const sqlite = { serverKey: null, store: "sqlite:" };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "larder-secret-key-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("the server's key", () => {
  it("is made when it is first asked for, readable by its owner alone, and is the same for ever", () => {
    const key = secretKey({ ...sqlite, data: folder }, randomBytes);
    expect(readdirSync(folder)).toEqual([]);
    const made = key();
    expect(made).toHaveLength(32);
    expect(statSync(join(folder, "secret.key")).mode & 0o777).toBe(0o600);
    expect(Buffer.from(key())).toEqual(Buffer.from(made));
    expect(Buffer.from(secretKey({ ...sqlite, data: folder }, randomBytes)())).toEqual(Buffer.from(made));
  });

  it("is the one that is set, and on no disk then", () => {
    const key = secretKey({ ...sqlite, serverKey: "0f".repeat(32), data: folder }, randomBytes);
    expect(Buffer.from(key())).toEqual(Buffer.alloc(32, 0x0f));
    expect(readdirSync(folder)).toEqual([]);
  });

  it("of a store that forgets everything is on no disk", () => {
    const key = secretKey({ ...sqlite, store: "memory:", data: folder }, randomBytes);
    expect(key()).toEqual(key());
    expect(readdirSync(folder)).toEqual([]);
  });

  it("is never replaced when its file holds something else, or can't be made", () => {
    writeFileSync(join(folder, "secret.key"), "half a k");
    expect(() => secretKey({ ...sqlite, data: folder }, randomBytes)()).toThrow("holds no key");
    expect(() => secretKey({ ...sqlite, data: join(folder, "nowhere") }, randomBytes)()).toThrow(
      "can't be read or made",
    );
  });
});
