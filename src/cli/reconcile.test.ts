import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Reconciliation } from "../services/sync/index.ts";
import { command } from "./fixture.ts";

// A server that answers every request with one reconciliation, which has ended.

let server: Server;
let answer: Reconciliation;

beforeEach(async () => {
  server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

type Outcome = Reconciliation["locations"][number];

const outcome = (rest: Partial<Outcome>): Outcome => ({
  ...{ location: "leeds", compared: 9, matched: 9, inFlight: 0, accuracy: 1 },
  ...{ findings: 0, left: 0, passedOver: [], cause: null },
  ...rest,
});
const finding = (sku: string): Reconciliation["findings"][number] => ({
  ...{ receiver: "leeds", sku, location: "leeds", ours: 1, theirs: 2, kind: "drift", action: "sent-again" },
});
const ended = (locations: readonly Outcome[], findings: Reconciliation["findings"] = []): Reconciliation => ({
  ...{ id: "r", status: "done", mode: "correct", scheduled: false, requestedAt: "", endedAt: "now" },
  ...{ compared: 9, matched: 9, inFlight: 0, accuracy: 1, locations: [...locations], findings },
});

async function reconcile(...args: string[]) {
  const { port } = server.address() as AddressInfo;
  return await command(["reconcile", ...args, "--url", `http://127.0.0.1:${port}`, "--key", "k"]);
}

it("ends with 1 when something was left as it is, also of what is not listed", async () => {
  answer = ended(
    [outcome({ findings: 1500, left: 3 }), outcome({ location: "york", findings: 2, left: 1 })],
    [finding("milk")],
  );
  const { code, out, err } = await reconcile("--correct");
  expect([code, err]).toEqual([1, expect.stringContaining("4 of 1502 stocks that differ were left as they are.\n")]);
  expect(out).toContain("… and 1501 more.");
  expect(await reconcile()).toMatchObject({ code: 1, err: expect.stringContaining("`--correct` puts them right.") });
});

it("ends with 0 when all that was found was put right", async () => {
  answer = ended([outcome({ findings: 1 })], [finding("milk")]);
  const { code, out, err } = await reconcile("--correct");
  expect([code, err]).toEqual([0, ""]);
  expect(out).not.toContain("more");
});

it("says what could not be compared and why, and ends with 1", async () => {
  const passedOver: Outcome["passedOver"] = [
    { reason: "impossible-name", count: 2, first: { sku: "gin ", location: "leeds" } },
    { reason: "unreadable-here", count: 1, first: null },
  ];
  answer = ended([outcome({ passedOver })]);
  const { code, out, err } = await reconcile("--correct");
  expect([code, err]).toEqual([1, expect.stringContaining("3 could not be compared.")]);
  expect(out.split("\n").slice(2, 4)).toEqual([
    'leeds: 2 not compared, as "gin " of "leeds": no stock here can have that name',
    "leeds: 1 not compared: an earlier figure is in a part of the archive that can't be read (`larder doctor`)",
  ]);
});
