import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { folderNamed, folderTrouble, logPlaceNamed } from "./folder.ts";

const home = mkdtempSync(join(tmpdir(), "larder-folder-"));
afterAll(() => rmSync(home, { recursive: true }));

describe("a folder that a command is given", () => {
  it.each(["postgres://larder:hunter2@db/larder", "postgresql://larder:hunter2@db/larder", "https://a:hunter2@b"])(
    "is no address, and what stands in it is not told: %s",
    (text) => {
      expect(() => folderNamed(text)).toThrow("is an address");
      expect(() => folderNamed(text)).not.toThrow("hunter2");
    },
  );

  it.each(["./data", "/var/lib/larder", "postgres:", "C:\\larder"])("is any path: %s", (text) => {
    expect(folderNamed(text)).toBe(text);
  });

  it("may be a database where a log is read, when its address is whole", () => {
    expect(logPlaceNamed("postgres://larder@db/larder")).toBe("postgres://larder@db/larder");
    expect(() => logPlaceNamed("postgres://larder:hunter2@db")).toThrow("neither a folder");
    expect(() => logPlaceNamed("postgres://larder:hunter2@db")).not.toThrow("hunter2");
  });

  it("can be made below what is there, and not below a file", () => {
    writeFileSync(join(home, "afile"), "");
    expect(folderTrouble(join(home, "new", "newer"))).toBeUndefined();
    expect(folderTrouble(join(home, "afile"))).toBe(
      `${join(home, "afile")} is a file, where a folder should be; move it away`,
    );
    expect(folderTrouble(join(home, "afile", "below"))).toBe(
      `${join(home, "afile")} is a file, where a folder should be; move it away`,
    );
  });

  it.skipIf(process.getuid?.() === 0)("can't be written by those who have no right to", () => {
    const closed = join(home, "closed");
    mkdirSync(closed);
    chmodSync(closed, 0o555);
    expect(folderTrouble(join(closed, "new"))).toContain("can't be written by this user");
  });
});
