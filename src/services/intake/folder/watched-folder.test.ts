import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { PlatformError } from "../../../kernel/index.ts";
import { MemoryMessaging } from "../../../platform/messaging/memory/index.ts";
import type { Timers } from "../../../platform/timers/index.ts";
import { systemTimers } from "../../../platform/timers/index.ts";
import { openInventory } from "../../inventory/fixture.ts";
import { filesQueue } from "./failed-files.ts";
import type { FileReport } from "./import-file.ts";
import { WatchedFolder } from "./watched-folder.ts";

const mapping = {
  format: { type: "csv", delimiter: ";" },
  source: "shop",
  id: "{id}",
  time: { constant: "2026-11-21T09:30:00Z" },
  rules: [
    { when: [{ column: "sku", equals: "bag" }], reject: "no product" },
    {
      when: [{ column: "sku", equals: "barcode" }],
      fact: { type: "larder.stock.sold.v1", data: { gtin: "09506000134352", location: "leeds", quantity: 1 } },
    },
    {
      fact: {
        type: "larder.stock.received.v1",
        data: { sku: "{sku}", location: "leeds", quantity: { number: "qty" } },
      },
    },
  ],
};
const header = "id;sku;qty\n";
const till = { id: "test", ownReservations: false };
type Parts = Awaited<ReturnType<typeof opened>>;

/** A watched folder on an inventory of its own; it looks when it is told to. */
async function opened({ down = () => false }: { readonly down?: () => boolean } = {}) {
  const root = mkdtempSync(join(tmpdir(), "larder-watched-"));
  const { inventory } = await openInventory();
  const messaging = new MemoryMessaging({ clock: Date.now });
  const reports: FileReport[] = [];
  const failures: unknown[] = [];
  let held = 0;
  const looks = new Set<() => void>();
  const timers: Timers = {
    ...systemTimers,
    every: (_ms, run) => {
      looks.add(run);
      return () => looks.delete(run);
    },
  };
  const start = () =>
    WatchedFolder.start({
      folder: root,
      messaging,
      inventory: {
        recordFacts: async (...asked) => {
          if (down()) throw new PlatformError("storage-unavailable", "the disk is full");
          return await inventory.recordFacts(...asked);
        },
        itemsByGtin: (gtin) => inventory.itemsByGtin(gtin),
      },
      clock: Date.now,
      random: () => 0.5,
      timers,
      onFile: (report) => reports.push(report),
      onFailure: (error) => failures.push(error),
      onHeld: () => (held += 1),
    });
  let folder = await start();
  onTestFinished(async () => {
    await folder.stop();
    await inventory.stop();
    rmSync(root, { recursive: true });
  });
  const look = () => {
    for (const run of looks) run();
  };
  const put = (name: string, content: string | Uint8Array) => writeFileSync(join(root, name), content);
  return {
    root,
    messaging,
    inventory,
    reports,
    failures,
    heldTimes: () => held,
    look,
    put,
    /** Drops a file as a move does: whole, and last written a while ago. */
    drop(name: string, content: string | Uint8Array) {
      put(name, content);
      const then = new Date("2026-11-21T09:30:00Z");
      utimesSync(join(root, name), then, then);
    },
    async imported(count: number) {
      await vi.waitFor(
        () => {
          look();
          expect(reports).toHaveLength(count);
        },
        { timeout: 10_000 },
      );
      return reports.at(-1) as FileReport;
    },
    async stop() {
      await folder.stop();
    },
    async restart() {
      await folder.stop();
      folder = await start();
    },
    async onHand(sku: string) {
      const stock = await inventory.stock(sku, {}, till);
      return stock.ok ? stock.value.totals.onHand : 0;
    },
    dead: async () => (await messaging.deadLetters.list({ queue: filesQueue, order: "oldest-first", limit: 10 })).items,
    files: (place: string) => readdirSync(join(root, place)).sort(),
  };
}

const withMapping = (parts: Parts, value: object = mapping, name = "default.mapping.json") =>
  parts.put(join("mappings", name), JSON.stringify(value));

describe("a watched folder", () => {
  it("imports others though one can't be put aside, and bears the longest names", async () => {
    const parts = await opened();
    withMapping(parts);
    const long = `sales-${"é".repeat(120)}.csv`;
    expect(Buffer.byteLength(long)).toBeGreaterThan(245);
    parts.drop("a.csv", `${header}1;milk;5\n`);
    parts.drop(long, `${header}2;milk;3\n3;bag;1\n`);
    mkdirSync(join(parts.root, "working", "a.csv")); // nothing can be moved there
    await vi.waitFor(
      () => {
        parts.look();
        expect(parts.reports).toHaveLength(1);
      },
      { timeout: 10_000 },
    );
    expect(await parts.onHand("milk")).toBe(3);
    expect(parts.reports[0]?.file).toMatch(/^sales-é+-[0-9a-f]{16}\.csv$/);
    expect(parts.failures.length).toBeGreaterThan(0);
    rmSync(join(parts.root, "working", "a.csv"), { recursive: true });
    await parts.imported(2);
    expect(await parts.onHand("milk")).toBe(8);
  });

  it("does not put a file in the place of one of its name that could not be read yet", async () => {
    const parts = await opened();
    withMapping(parts);
    renameSync(join(parts.root, "mappings"), join(parts.root, "away"));
    parts.drop("sales.csv", `${header}1;milk;5\n`);
    await vi.waitFor(() => {
      parts.look();
      expect(parts.failures.length).toBeGreaterThan(0);
    });
    parts.drop("sales.csv", `${header}2;milk;3\n`);
    const before = parts.failures.length;
    await vi.waitFor(() => {
      parts.look();
      expect(parts.failures.length).toBeGreaterThan(before + 1);
    });
    expect(parts.files("working")).toEqual(["sales.csv"]);
    renameSync(join(parts.root, "away"), join(parts.root, "mappings"));
    await parts.imported(2);
    expect(await parts.onHand("milk")).toBe(8);
  });

  it("imports a file that was moved in, and keeps it with a report", async () => {
    const parts = await opened();
    withMapping(parts);
    parts.drop("sales.csv", `${header}1;milk;5\n2;milk;3\n3;bag;1\n`);
    const report = await parts.imported(1);
    expect(report).toMatchObject({
      file: "sales.csv",
      outcome: "done",
      kept: "done/20261121T093000Z-sales.csv",
      summary: { rows: 3, accepted: 2, rejectedCount: 1, isComplete: true },
    });
    expect(await parts.onHand("milk")).toBe(8);
    expect(parts.files("done")).toEqual([
      "20261121T093000Z-sales.csv",
      "20261121T093000Z-sales.csv.rejects.csv",
      "20261121T093000Z-sales.csv.report.json",
    ]);
    expect(JSON.parse(readFileSync(join(parts.root, report.report), "utf8"))).toEqual(report);
    // What a rule turns down was meant to be: nobody has to look.
    expect(await parts.dead()).toEqual([]);
    expect([parts.files("working"), parts.files("failed")]).toEqual([[], []]);
  });

  it("changes nothing by the same file again, packed or not", async () => {
    const parts = await opened();
    withMapping(parts);
    const text = `${header}1;milk;5\n`;
    parts.drop("a.csv", text);
    await parts.imported(1);
    parts.drop("a.csv", text);
    parts.drop("b.csv.gz", gzipSync(text));
    await parts.imported(3);
    expect(parts.reports.map(({ summary }) => [summary?.accepted, summary?.duplicates])).toEqual([
      [1, 0],
      [0, 1],
      [0, 1],
    ]);
    expect(parts.files("done").filter((name) => name.endsWith("a.csv"))).toEqual([
      "20261121T093000Z-2-a.csv",
      "20261121T093000Z-a.csv",
    ]);
    expect(await parts.onHand("milk")).toBe(5);
  });

  it("waits until a file has stopped growing, and passes over what is still being copied", async () => {
    const parts = await opened();
    withMapping(parts);
    parts.put("slow.csv", header);
    parts.put(".hidden.csv", header);
    parts.put("moving.csv.part", `${header}9;tea;1\n`);
    const looked = async () => {
      parts.look();
      await new Promise((resolve) => setTimeout(resolve, 30));
    };
    await looked();
    for (const id of [1, 2, 3]) {
      appendFileSync(join(parts.root, "slow.csv"), `${id};milk;1\n`);
      await looked();
    }
    expect(parts.reports).toEqual([]);
    const report = await parts.imported(1);
    expect(report.summary).toMatchObject({ rows: 3, accepted: 3 });
    expect(parts.files(".").filter((name) => name.includes("csv"))).toEqual([".hidden.csv", "moving.csv.part"]);
    renameSync(join(parts.root, "moving.csv.part"), join(parts.root, "moving.csv"));
    await parts.imported(2);
    expect(await parts.onHand("tea")).toBe(1);
  });

  it("has one dead letter for a file with any number of bad rows, and takes the file again when it is redriven", async () => {
    const parts = await opened();
    withMapping(parts);
    const rows = Array.from({ length: 3000 }, (_, n) => `${n};barcode;1\n`);
    parts.drop("codes.csv", `${header}a;milk;2\n${rows.join("")}b;tea;none\nc;tea\n`);
    const report = await parts.imported(1);
    expect(report.outcome).toBe("done");
    const [letter, ...more] = await parts.dead();
    expect(more).toEqual([]);
    expect(letter?.cause).toMatch(/^rows-turned-down: 3002 of 3003 rows of codes\.csv .*3000 × unknown-item/);
    expect(letter?.cause).toContain("done/20261121T093000Z-codes.csv.rejects.csv");
    const rejects = readFileSync(join(parts.root, report.rejects ?? ""), "utf8")
      .trim()
      .split("\n");
    expect(rejects).toHaveLength(3003);
    expect(rejects[0]).toBe("rejected line;rejected reason;id;sku;qty");
    expect(await parts.onHand("milk")).toBe(2);

    await parts.inventory.putItem("oats", { name: "Oats", unit: "each", gtins: ["09506000134352"] }, till);
    expect(await parts.messaging.deadLetters.redrive(letter?.id ?? "")).toBe("done");
    const again = await parts.imported(2);
    expect(again.summary).toMatchObject({ accepted: 3000, duplicates: 1, rejectedCount: 2 });
    expect(await parts.onHand("oats")).toBe(-3000);
    // Two rows are wrong still: that is another dead letter.
    const [other] = await parts.dead();
    expect(other?.cause).toMatch(/^rows-turned-down: 2 of 3003/);
    expect(other?.id).not.toBe(letter?.id);
    expect(await parts.messaging.deadLetters.redrive(letter?.id ?? "")).toBe("ended-before");
  });

  const wide = Array.from({ length: 40_000 }, (_, index) => `column${index}`).join(";");
  it.each([
    ["with columns by the thousand", wide, "and 39980 more"],
    ["of one endless line", "a".repeat(400_000), "there is no column"],
  ])("keeps a file %s apart, though its message holds only so much", async (_what, line, said) => {
    const parts = await opened();
    withMapping(parts, mapping);
    parts.drop("x.csv", `${line}\n`);
    const report = await parts.imported(1);
    expect(report).toMatchObject({ outcome: "failed", problem: expect.stringContaining(said) });
    expect(await parts.dead()).toMatchObject([{ cause: expect.stringMatching(/^file-not-imported: x\./) }]);
    expect(existsSync(join(parts.root, report.kept))).toBe(true);
  });

  it.each([
    ["without a mapping", "x.csv", header, undefined, "no mapping for x.csv"],
    ["with a wrong mapping", "x.csv", header, { ...mapping, rules: [] }, "The mapping can't be used"],
    ["of an unknown kind", "x.pdf", "%PDF", mapping, "does not say what it is"],
    ["that is damaged", "x.csv.gz", gzipSync(`${header}1;a;1\n`).subarray(0, 20), mapping, "damaged or cut off"],
    ["that is empty", "x.csv", "", mapping, "not even a header"],
    ["that is no EPCIS", "x.json", "{}", mapping, "no mapping for x.json"],
  ])("keeps a file %s apart, and takes it again when it is redriven", async (_what, name, content, own, said) => {
    const parts = await opened();
    if (own !== undefined) withMapping(parts, own);
    parts.drop(name, content);
    const report = await parts.imported(1);
    expect(report).toMatchObject({ outcome: "failed", problem: expect.stringContaining(said) });
    expect(existsSync(join(parts.root, report.kept))).toBe(true);
    expect(report.kept).toMatch(/^failed\//);
    const [letter] = await parts.dead();
    expect(letter?.cause).toMatch(/^file-not-imported: x\./);

    withMapping(parts);
    await parts.messaging.deadLetters.redrive(letter?.id ?? "");
    const again = await parts.imported(2);
    const isGood = name === "x.csv" && content !== "";
    expect([again.outcome, (await parts.dead()).length]).toEqual(isGood ? ["done", 0] : ["failed", 1]);
  });

  it("takes the mapping whose name the file begins with, and EPCIS documents by their own", async () => {
    const parts = await opened();
    withMapping(parts, { ...mapping, source: "others" });
    withMapping(parts, { ...mapping, source: "sales" }, "sales.mapping.json");
    writeFileSync(join(parts.root, "sales-york.mapping.json"), JSON.stringify({ ...mapping, source: "york" }));
    for (const name of ["sales-york-1.csv", "sales-1.csv", "returns.csv"]) parts.drop(name, `${header}1;milk;1\n`);
    const examples = new URL("../../../../examples/epcis/", import.meta.url);
    parts.put("mappings/default.epcis.json", readFileSync(new URL("mapping.json", examples), "utf8"));
    parts.drop("day.xml", readFileSync(new URL("a-day.xml", examples)));
    await parts.imported(4);
    expect(parts.reports.map(({ outcome }) => outcome)).toEqual(["done", "done", "done", "done"]);
    // Facts of three sources: each counts.
    expect(await parts.onHand("milk")).toBe(3);
    expect(parts.reports.find(({ file }) => file === "day.xml")?.summary?.rows).toBeGreaterThan(3);
  });

  it("takes rejects that were put right by the mapping of the file that they are from", async () => {
    const parts = await opened();
    withMapping(parts, mapping, "sales.mapping.json");
    const dropRejects = (report: FileReport, wrong: string, right: string) => {
      const rejects = report.rejects ?? "";
      const text = readFileSync(join(parts.root, rejects), "utf8");
      expect(text).toContain(wrong);
      parts.drop(rejects.replace(/^done\//, ""), text.replaceAll(wrong, right));
    };
    for (const text of [`${header}1;milk;5\n`, `${header}2;milk;x\n3;milk;y\n`]) {
      parts.drop("sales.csv", text);
      await parts.imported(parts.reports.length + 1);
    }
    const [, second] = parts.reports;
    expect(second?.rejects).toBe("done/20261121T093000Z-2-sales.csv.rejects.csv");
    dropRejects(second as FileReport, ";x", ";7");
    // Of these the rejects are put right again.
    dropRejects(await parts.imported(3), ";y", ";9");
    expect(await parts.imported(4)).toMatchObject({ outcome: "done", summary: { accepted: 1, duplicates: 0 } });
    expect(await parts.onHand("milk")).toBe(21);

    const examples = new URL("../../../../examples/epcis/", import.meta.url);
    parts.put("mappings/day.epcis.json", readFileSync(new URL("mapping.json", examples), "utf8"));
    parts.drop("day.xml", readFileSync(new URL("a-day.xml", examples)));
    const day = await parts.imported(5);
    expect(day.rejects).toBe("done/20261121T093000Z-day.xml.rejects.ndjson");
    await parts.inventory.putItem("fresh milk", { name: "Milk", unit: "each", gtins: ["09506000134307"] }, till);
    dropRejects(day, "unknown-item", "");
    expect(await parts.imported(6)).toMatchObject({ outcome: "done" });
    expect(parts.reports[5]?.summary?.accepted).toBeGreaterThan(1);
  });

  it("takes up at the next start what was interrupted, wherever that was", async () => {
    const parts = await opened();
    withMapping(parts);
    await parts.stop();
    // Killed while it was being imported, and after its dead letter was sent.
    parts.put("working/half.csv", `${header}1;milk;1\n2;milk;x\n`);
    parts.put("working/half.csv.rejects", "of the first attempt");
    await parts.restart();
    await parts.imported(1);
    const [letter] = await parts.dead();
    expect(await parts.onHand("milk")).toBe(1);
    expect(readFileSync(join(parts.root, parts.reports[0]?.rejects ?? ""), "utf8")).toContain("2;milk;x");
    expect(parts.files("working")).toEqual([]);
    expect(letter?.cause).toContain("1 of 2 rows");
  });

  it("waits while the inventory takes nothing, and gives up what is under way at a stop", async () => {
    let isDown = true;
    const parts = await opened({ down: () => isDown });
    withMapping(parts);
    parts.drop("sales.csv", `${header}1;milk;5\n`);
    await vi.waitFor(() => {
      parts.look();
      expect(parts.heldTimes()).toBeGreaterThan(1);
    });
    await parts.stop();
    expect([parts.reports, parts.files("working"), await parts.dead()]).toEqual([[], ["sales.csv"], []]);
    isDown = false;
    await parts.restart();
    await parts.imported(1);
    expect(await parts.onHand("milk")).toBe(5);
    expect(parts.failures).toEqual([]);
  });

  it("does not let a dead letter reach outside of the folder", async () => {
    const parts = await opened();
    const bodies = [
      "nonsense",
      JSON.stringify({ file: "../x", kept: "done/x" }),
      JSON.stringify({ file: "x", kept: "../x" }),
    ];
    await parts.messaging.send(
      filesQueue,
      bodies.map((body, n) => ({ id: `m${n}`, body })),
    );
    await parts.messaging.send(filesQueue, [{ id: "gone", body: JSON.stringify({ file: "x", kept: "done/x" }) }]);
    await vi.waitFor(async () => expect(await parts.dead()).toHaveLength(4));
    expect((await parts.dead()).map(({ cause }) => cause.split(":")[0])).toEqual([
      "unreadable-message",
      "unreadable-message",
      "unreadable-message",
      "file-gone",
    ]);
  });
});
