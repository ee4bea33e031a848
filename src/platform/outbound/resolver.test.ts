import { createSocket } from "node:dgram";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Resolve, systemResolver } from "./resolver.ts";

/** A name server: it knows `known.test` by IPv4, answers no question about `silent.test`, and has heard of no other name. */
const server = createSocket("udp4");
const asked: string[] = [];
let resolve: Resolve;

server.on("message", (query, { port, address }) => {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const name = labels.join(".").toLowerCase();
  asked.push(name);
  if (name === "silent.test") return;
  const question = query.subarray(12, at + 5);
  const isKnown = name === "known.test";
  const isAnswered = isKnown && query.readUInt16BE(at + 1) === 1;
  const head = Buffer.from(query.subarray(0, 12));
  head.writeUInt16BE(isKnown ? 0x8180 : 0x8183, 2);
  head.writeUInt16BE(isAnswered ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 8, 8, 4, 4]);
  server.send(Buffer.concat([head, question, ...(isAnswered ? [record] : [])]), port, address);
});

beforeAll(async () => {
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  resolve = systemResolver({ servers: [`127.0.0.1:${server.address().port}`], queryMs: 50 });
});
afterAll(() => server.close());

describe("names", () => {
  it("are looked up by the name servers", async () => {
    expect(await resolve("known.test")).toEqual(["8.8.4.4"]);
  });

  it("that the name servers do not know are looked up as the system does", async () => {
    expect(await resolve("localhost")).toContain("127.0.0.1");
    expect(asked).toContain("localhost");
  });

  it("whose name servers are silent are given up without asking the system", async () => {
    await expect(resolve("silent.test")).rejects.toMatchObject({ code: "ETIMEOUT" });
  });
});
