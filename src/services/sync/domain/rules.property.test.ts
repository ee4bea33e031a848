/** Patterns, routes, circuits, paces and verdicts, each against what it promises. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limits } from "../../../kernel/index.ts";
import { afterFailure, type Circuit, closedCircuit, probing } from "./circuit.ts";
import { faster, firstPace, type Pace, paused, restarted, slower } from "./pace.ts";
import { fits } from "./pattern.ts";
import { isSameRoute, type Route, wantsPlace, wantsSku } from "./route.ts";
import { verdictOf } from "./verdict.ts";

const word = fc.string({ unit: fc.constantFrom("a", "b", "*", ".", "é"), maxLength: 8 });

describe("a pattern", () => {
  it("fits as a regular expression says", () => {
    fc.assert(
      fc.property(word, word, (pattern, text) => {
        const escaped = pattern
          .split("*")
          .map((part) => part.replaceAll(".", "\\."))
          .join("[^]*");
        expect(fits(pattern, text)).toBe(new RegExp(`^${escaped}$`).test(text));
      }),
      { numRuns: 2000 },
    );
  });

  it("takes no time for ever, however it is made", () => {
    const started = performance.now();
    expect(fits(`${"a*".repeat(50)}b`, "a".repeat(100))).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe("a route", () => {
  it("takes places by id, by group, and by pattern", () => {
    const hull = { location: "hull", group: "north/dairy" };
    const wants = (of: Route["of"]) => wantsPlace({ of }, "leeds", hull);
    expect([wants("all"), wants("own"), wants("others"), wants(["hull"]), wants(["h*"])]).toEqual([
      true,
      false,
      true,
      true,
      true,
    ]);
    expect([wants(["group:north/*"]), wants(["group:*/dairy"]), wants(["group:south/*"])]).toEqual([true, true, false]);
    expect(wantsPlace({ of: ["group:*"] }, "leeds", { location: "york" })).toBe(false);
    expect(wantsPlace({ of: "own" }, "leeds", { location: "leeds" })).toBe(true);
    expect(wantsPlace({ of: "all", limitedTo: ["leeds"] }, "leeds", { location: "leeds" })).toBe(true);
    expect(wantsPlace({ of: "all", limitedTo: ["leeds"] }, "leeds", { location: "york" })).toBe(false);
    expect(isSameRoute({ of: "all", limitedTo: ["leeds"] }, { of: "all" })).toBe(false);
    expect(wantsSku({ of: "all", skus: "dairy-*" }, "dairy-milk")).toBe(true);
    expect(wantsSku({ of: "all", skus: "dairy-*" }, "rice")).toBe(false);
    expect(wantsSku({ of: "all" }, "rice")).toBe(true);
  });

  it("is the same only when it asks for the same", () => {
    expect(isSameRoute({ of: ["a", "b"] }, { of: ["a", "b"] })).toBe(true);
    expect(isSameRoute({ of: ["a", "b"] }, { of: ["a,b"] })).toBe(false);
    expect(isSameRoute({ of: "all" }, { of: "all", skus: "a*" })).toBe(false);
  });
});

describe("a circuit", () => {
  it("opens after so many failures in a row, and is probed ever more rarely, to a limit", () => {
    let circuit: Circuit = closedCircuit;
    let now = 0;
    for (let failures = 1; failures < 5; failures += 1) {
      circuit = afterFailure(circuit, 5, now, Math.random);
      expect(circuit).toMatchObject({ state: "closed", failures });
    }
    const waits: number[] = [];
    for (let probes = 0; probes < 12; probes += 1) {
      circuit = afterFailure(circuit, 5, now, () => 0.9999999);
      expect(circuit.state).toBe("open");
      waits.push(circuit.probeAt - now);
      now = circuit.probeAt;
      // A late failure of what was under way before changes nothing.
      expect(afterFailure(circuit, 5, now, Math.random).probeAt).toBe(circuit.probeAt);
      circuit = probing(circuit);
    }
    expect(waits.slice(0, 5)).toEqual([1000, 2000, 4000, 8000, 10_000]);
    expect(Math.max(...waits)).toBe(limits.syncProbeMsMax);
  });
});

describe("a pace", () => {
  it("stays between one and its most, whatever happens", () => {
    const event = fc.constantFrom("faster", "slower", "paused", "restarted");
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), (events) => {
        let pace: Pace = firstPace;
        for (const [now, what] of events.entries()) {
          if (what === "faster") pace = faster(pace);
          if (what === "slower") pace = slower(pace, now, now);
          if (what === "paused") pace = paused(pace, now + 1000, now);
          if (what === "restarted") pace = restarted(pace, now);
          expect(pace.window).toBeGreaterThanOrEqual(1);
          expect(pace.window).toBeLessThanOrEqual(limits.syncReceiverPushesMax);
          if (what === "paused") expect(pace).toMatchObject({ window: 1, pausedUntil: now + 1000 });
        }
      }),
    );
  });

  it("is cut once for failures that come together", () => {
    const fast: Pace = { ...firstPace, window: 8 };
    const cut = slower(fast, 100, 200);
    expect(cut.window).toBe(4);
    expect(slower(cut, 150, 210)).toBe(cut);
    expect(slower(cut, 205, 300).window).toBe(2);
    expect(faster(cut).window).toBeCloseTo(4.25);
  });
});

it("tells records that are not wanted from a receiver in trouble", () => {
  const kinds = (statuses: readonly number[], asks = false) => statuses.map((status) => verdictOf(status, asks).kind);
  expect(new Set(kinds([200, 201, 202, 204]))).toEqual(new Set(["taken"]));
  expect(new Set(kinds([400, 409, 413, 422]))).toEqual(new Set(["refused"]));
  expect(new Set(kinds([301, 401, 403, 404, 408, 500, 502, 503, 504]))).toEqual(new Set(["failed"]));
  expect([...kinds([429]), ...kinds([503], true)]).toEqual(["busy", "busy"]);
});
