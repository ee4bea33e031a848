import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type Fixture, startFixture } from "./fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture();
});
beforeEach(() => fixture.reset());
afterAll(() => fixture.gateway.close());

const ask = (method: "GET" | "POST", url: string, who: string) =>
  fixture.gateway.server.inject({ method, url, headers: { authorization: `Bearer ${who}` } });

it("tells those who look after sync how it stands, and nobody else", async () => {
  expect((await ask("GET", "/v1/sync?limit=5", "sync:admin")).json()).toEqual({ items: [] });
  for (const who of ["stock:read", "dlq:admin", "nobody"])
    expect((await ask("GET", "/v1/sync", who)).statusCode).toBe(403);
});

it("begins a full push, and says that it has begun", async () => {
  fixture.fake.answers["resend"] = { location: "le/eds" };
  const answer = await ask("POST", "/v1/sync/le%2Feds/resend", "sync:admin");
  expect([answer.statusCode, answer.json()]).toEqual([202, { location: "le/eds" }]);
  expect(fixture.fake.asked("resend")).toEqual(["le/eds"]);
  expect((await ask("POST", "/v1/sync/leeds/resend", "stock:write")).statusCode).toBe(403);

  fixture.fake.rejection = { code: "not-found", detail: "No." };
  expect((await ask("POST", "/v1/sync/leeds/resend", "sync:admin")).statusCode).toBe(404);
});
