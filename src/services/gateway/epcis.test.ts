import { existsSync, globSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../kernel/index.ts";
import { closeHouse, document, event, finished, type House, openHouse } from "../intake/capture/capture.fixture.ts";
import { EpcisEvents } from "../intake/epcis/events.ts";
import { sharedFile } from "../intake/epcis/examples.fixture.ts";
import { type Fixture, startFixture } from "./fixture.ts";

const examples = sharedFile("epcis/examples");
const expectedFile = sharedFile("expected/epcis/files.csv");
const hasExamples = existsSync(examples) && existsSync(expectedFile);

let house: House;
let fixture: Fixture;

beforeAll(async () => {
  house = await openHouse();
  fixture = await startFixture({
    inventory: house.inventory,
    epcis: { capture: house.capture, events: new EpcisEvents(house.inventory, () => house.clock.now) },
  });
});
beforeEach(() => fixture.reset());
afterAll(async () => {
  await fixture.gateway.close();
  await closeHouse(house);
});

const capture = (payload: string, type: string, headers: Record<string, string> = {}, query = "") =>
  fixture.gateway.server.inject({
    method: "POST",
    url: `/v1/epcis/capture${query}`,
    headers: { authorization: "Bearer stock:write", "content-type": type, ...headers },
    payload,
  });
const get = (url: string) =>
  fixture.gateway.server.inject({ method: "GET", url, headers: { authorization: "Bearer stock:read" } });
const jobOf = (location: unknown) => finished(house.capture, String(location).split("/").at(-1) ?? "");

describe("POST /v1/epcis/capture", () => {
  it("answers as the standard asks, and leads to the job", async () => {
    const text = JSON.stringify(document(event()));
    const answer = await capture(text, "application/ld+json", { "gs1-epcis-version": "2.0.0" });
    expect(answer.statusCode).toBe(202);
    expect(answer.headers).toMatchObject({
      "gs1-epcis-version": "2.0.0",
      "gs1-cbv-version": "2.0.0",
      "gs1-capture-error-behaviour": "rollback",
      "gs1-epcis-capture-limit": String(limits.captureEventsMax),
      "gs1-epcis-capture-file-size-limit": String(limits.bodyBytesMax),
    });
    await jobOf(answer.headers["location"]);
    const job = (await get(String(answer.headers["location"]))).json();
    expect(job).toMatchObject({
      running: false,
      success: true,
      captureErrorBehaviour: "rollback",
      errors: [],
      factsRecorded: 1,
    });
    expect(Date.parse(job.finishedAt)).toBeGreaterThanOrEqual(Date.parse(job.createdAt));
  });

  it("proceeds when it is told to, by either name of the header", async () => {
    const text = JSON.stringify([event({ eventID: "urn:uuid:p", action: "LOOK" })]);
    for (const name of ["gs1-capture-error-behaviour", "gs1-epcis-capture-error-behaviour"]) {
      const answer = await capture(text, "application/json", { [name]: "proceed" });
      expect((await jobOf(answer.headers["location"])).captureErrorBehaviour).toBe("proceed");
    }
  });

  it.each([
    ["a behaviour of its own", "[]", "application/json", { "gs1-capture-error-behaviour": "all" }, 400],
    ["a version that is not spoken", "[]", "application/json", { "gs1-epcis-version": "3.0.0" }, 400],
    ["no body", "", "application/json", {}, 400],
    ["no body of XML", "", "text/xml", {}, 400],
    ["JSON that is none", "{", "application/json", {}, 400],
    ["XML that is none", "<EPCISDocument>", "application/xml", {}, 400],
    ["XML that is no text", "\u{0}", "application/xml", {}, 400],
    ["XML in another character set", "<a/>", "text/xml; charset=iso-8859-1", {}, 415],
    ["another type", "a", "text/plain", {}, 415],
    ["more than the body may hold", "x".repeat(limits.bodyBytesMax + 1), "text/xml", {}, 413],
    ["too many events", JSON.stringify(new Array(limits.captureEventsMax + 1).fill({})), "application/json", {}, 413],
  ])("refuses %s", async (_, body, type, headers, status) => {
    const answer = await capture(body, type, headers as Record<string, string>);
    expect([answer.statusCode, answer.headers["content-type"]]).toEqual([
      status,
      "application/problem+json; charset=utf-8",
    ]);
  });

  it("reads Larder's own names only when it is told that they are ours", async () => {
    const own = event({
      eventID: "urn:uuid:own",
      readPoint: { id: "urn:larder:location:York%20Markt" },
      quantityList: [{ epcClass: "urn:larder:item:n%C5%93ud:lot:a%3Ab", quantity: 3 }],
    });
    const text = JSON.stringify(document(own));
    const asForeign = await capture(text, "application/json");
    expect(await jobOf(asForeign.headers["location"])).toMatchObject({ success: true, factsRecorded: 0 });
    const asOurs = await capture(text, "application/json", {}, "?ownNames=true&source=other");
    expect(await jobOf(asOurs.headers["location"])).toMatchObject({ success: true, factsRecorded: 1 });
    const stock = (await get("/v1/stock/n%C5%93ud?lots=true")).json();
    expect(stock.locations).toMatchObject([{ location: "York Markt", onHand: 3, lots: [{ lot: "a:b" }] }]);
  });
});

describe("GET /v1/epcis/capture", () => {
  it("pages by a Link header", async () => {
    const first = await get("/v1/epcis/capture?perPage=2");
    expect(first.json()).toHaveLength(2);
    const [, next = ""] = /^<(.*)>; rel="next"$/.exec(String(first.headers["link"])) ?? [];
    const second = (await get(next)).json();
    expect(second[0].captureID).not.toBe(first.json()[0].captureID);
    expect((await get("/v1/epcis/capture?perPage=1000")).headers["link"]).toBeUndefined();
  });
});

describe("GET /v1/epcis/events", () => {
  const listIn = (answer: {
    json(): { epcisBody: { queryResults: { resultsBody: { eventList: { eventID: string }[] } } } };
  }) => answer.json().epcisBody.queryResults.resultsBody.eventList;

  it("takes the parameters of the standard, and leads to the next page with them", async () => {
    const query =
      "GE_eventTime=2026-01-01T00:00:00Z&EQ_bizStep=receiving|shipping&MATCH_anyEPCClass=https://id.gs1.org/01/04006381333931/10/L7";
    const answer = await get(`/v1/epcis/events?${query}&perPage=1`);
    expect([answer.statusCode, answer.headers["content-type"]]).toEqual([200, "application/ld+json; charset=utf-8"]);
    expect(answer.headers["gs1-epcis-version"]).toBe("2.0.0");
    const [first] = listIn(answer);
    expect(first).toMatchObject({ bizStep: "receiving", quantityList: [{ quantity: 24 }] });
    const [, next = ""] = /^<(.*)>; rel="next"$/.exec(String(answer.headers["link"])) ?? [];
    expect(next).toContain("EQ_bizStep=receiving%7Cshipping");
    expect((await get(next)).statusCode).toBe(200);
    const one = await get(`/v1/epcis/events/${encodeURIComponent(first?.eventID ?? "")}`);
    expect(listIn(one)).toEqual([first]);
    expect((await get("/v1/epcis/events/urn:uuid:1")).statusCode).toBe(404);
  });

  it.each([
    "GE_eventTime=yesterday",
    "LT_recordTime=2026-01-01",
    "perPage=0",
    "perPage=1001",
    "nextPageToken=x",
    "EQ_bizStep=",
    "WD_bizLocation=x",
  ])("refuses %s", async (query) => {
    const answer = await get(`/v1/epcis/events?${query}`);
    expect([answer.statusCode, answer.json().requestId]).toEqual([400, expect.any(String)]);
  });
});

describe.skipIf(!hasExamples)("the examples of GS1", () => {
  const rows = hasExamples ? readFileSync(expectedFile, "utf8").trim().split("\n").slice(1) : [];
  // A name with commas is quoted.
  const fields = rows.map((row) => /^(?:"([^"]+)"|([^,]+)),\w+,[\d.]*,([^,]*),/.exec(row) ?? []);
  const expected = new Map(fields.map(([, quoted, plain, events = ""]) => [quoted ?? plain, events]));
  const files = hasExamples ? globSync("**/*.{jsonld,json,xml}", { cwd: examples }).sort() : [];

  it("are all there", () => {
    expect(files.map((file) => `examples/${file}`).filter((file) => !expected.has(file))).toEqual([]);
    expect(expected.size).toBe(files.length);
  });

  it.each(files)("%s is captured whole", async (file) => {
    const text = readFileSync(`${examples}/${file}`, "utf8");
    const type = file.endsWith(".xml") ? "application/xml" : "application/ld+json";
    const answer = await capture(text, type, { "gs1-capture-error-behaviour": "proceed" });
    expect(answer.statusCode).toBe(202);
    const counts = [...(expected.get(`examples/${file}`) ?? "").matchAll(/=(\d+)/g)].map(([, count]) => Number(count));
    const job = await jobOf(answer.headers["location"]);
    expect(job.events).toBe(counts.reduce((sum, count) => sum + count, 0));
    expect(job.errors.filter(({ code }) => code === "unreadable-event")).toEqual([]);
  });
});

it("the sample document of the documentation is one", async () => {
  const { paths } = fixture.gateway.openapi() as {
    paths: Record<string, { post: { requestBody: { content: Record<string, { example: unknown }> } } }>;
  };
  const sample = paths["/v1/epcis/capture"]?.post.requestBody.content["application/json"]?.example;
  const answer = await capture(JSON.stringify(sample), "application/json");
  expect(await jobOf(answer.headers["location"])).toMatchObject({ success: true, factsRecorded: 1 });
});
