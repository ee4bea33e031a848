import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, it, vi } from "vitest";
import { noTags } from "../port.ts";
import { openSqliteStorage } from "./index.ts";
import { LogIndex, type StreamPlace } from "./log-index.ts";

const streams = ["stock-shop-milk", "stock-shop-tea", "stock-shop-rice"];

afterEach(() => vi.restoreAllMocks());

/** As if all streams had one hash: the places of each are shown for every one. */
function shareOneHash(): void {
  const find = LogIndex.prototype.findStream;
  vi.spyOn(LogIndex.prototype, "findStream").mockImplementation(function (this: LogIndex, _stream, visit) {
    const places: StreamPlace[] = [];
    for (const stream of streams) {
      find.call(this, stream, (place) => {
        places.push(place);
        return false;
      });
    }
    places.sort((a, b) => b.seq - a.seq).some(visit);
  });
}

it("streams that share a hash are read each by itself, from any version to any", async () => {
  // Each unit takes one or two events of one or two streams.
  const unit = fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 2 })), { minLength: 1, maxLength: 2 });
  await fc.assert(
    fc.asyncProperty(fc.array(unit, { minLength: 1, maxLength: 12 }), async (units) => {
      const folder = mkdtempSync(join(tmpdir(), "larder-hash-"));
      const storage = await openSqliteStorage({ folder, tagging: noTags });
      try {
        shareOneHash();
        const versions = streams.map(() => 0);
        for (const [index, parts] of units.entries()) {
          const touched = [...new Set(parts.map(([which]) => which))];
          const expected = touched.map((which) => ({ stream: streams[which] ?? "", version: versions[which] ?? 0 }));
          const events = parts.flatMap(([which, count]) => {
            versions[which] = (versions[which] ?? 0) + count;
            return Array.from({ length: count }, () => ({
              ...{ stream: streams[which] ?? "", type: "Happened", schema: 1 },
              data: {},
            }));
          });
          const meta = { command: `c${index}`, recordedAt: 1000, actor: "test" };
          expect(await storage.append([{ meta, expected, events }])).toMatchObject([{ ok: true }]);
        }
        for (const [which, stream] of streams.entries()) {
          const last = versions[which] ?? 0;
          for (let after = 0; after <= last; after += 1) {
            for (let upTo = after; upTo <= last; upTo += 1) {
              const read = await storage.readStream(stream, after, upTo);
              const wanted = Array.from({ length: upTo - after }, (_, index) => after + 1 + index);
              expect([stream, after, read.map(({ version }) => version)]).toEqual([stream, after, wanted]);
              expect(read.every((event) => event.stream === stream)).toBe(true);
            }
          }
        }
      } finally {
        vi.restoreAllMocks();
        await storage.close();
        rmSync(folder, { recursive: true, force: true });
      }
    }),
    { numRuns: 25 },
  );
}, 60_000);
