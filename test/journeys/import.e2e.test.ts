import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { larder, spawnLarder, temporaryFolder } from "./larder.ts";
import { adminKey as key, Server } from "./server.ts";

const server = new Server();
let env: Record<string, string>;

beforeAll(async () => {
  await server.start();
  env = { LARDER_URL: server.url, LARDER_KEY: key };
});
afterAll(() => server.stop());

const mapping = {
  format: { type: "csv" },
  source: "till-files",
  id: "{Ticket}-{Line}",
  time: { column: "When", format: "yyyy-MM-dd HH:mm:ss", zone: "Europe/London" },
  rules: [
    { when: [{ column: "Kind", equals: "training" }], reject: "training ticket" },
    {
      fact: {
        type: "larder.stock.sold.v1",
        data: { sku: "{Sku}", location: "{Shop}", quantity: { number: "Quantity" } },
      },
    },
  ],
};
const header = "Ticket,Line,Kind,When,Shop,Sku,Quantity";
const good = ["1,1,sale,2026-11-20 09:00:00,leeds,pear,2", "1,2,sale,2026-11-20 09:00:00,leeds,plum,1"];
const training = "2,1,training,2026-11-20 09:01:00,leeds,pear,9";
const broken = "3,1,sale,2026-11-20 09:02:00,leeds,pear,many";

function files(rows: readonly string[]) {
  const folder = temporaryFolder(onTestFinished);
  const [file, map, rejects] = ["sales.csv.gz", "mapping.json", "rejects.csv"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(file, gzipSync([header, ...rows, ""].join("\n")));
  writeFileSync(map, JSON.stringify(mapping));
  return { file, args: [file, "--mapping", map, "--rejects", rejects, "--json"], map, rejects };
}

describe("larder import", () => {
  it("records a file once, however often it is imported, and exits 0 when a rule turned rows down", async () => {
    const { args, rejects } = files([...good, training]);
    const tried = await larder(["import", ...args, "--dry-run"], env);
    expect(JSON.parse(tried.out)).toMatchObject({ rows: 3, made: 2, accepted: 0, dryRun: true });
    const first = await larder(["import", ...args], env);
    expect(first.code).toBe(0);
    expect(JSON.parse(first.out)).toMatchObject({ accepted: 2, duplicates: 0, rejectedCount: 1 });
    expect(readFileSync(rejects, "utf8")).toContain(`4,training ticket,${training}`);
    const again = await larder(["import", ...args], env);
    expect(JSON.parse(again.out)).toMatchObject({ accepted: 0, duplicates: 2 });
    expect(JSON.parse((await larder(["stock", "pear", "--json"], env)).out)).toMatchObject({ totals: { onHand: -2 } });
  });

  it("exits 1 when a row is broken, and says where it stands", async () => {
    const { args, rejects } = files([...good, broken]);
    const result = await larder(["import", ...args], env);
    expect(result.code).toBe(1);
    expect(result.err).toContain(`1 row was turned down; put them right in ${rejects}`);
    expect(readFileSync(rejects, "utf8")).toMatch(/^rejected line,rejected reason,Ticket.*\n4,/);
  });

  it("writes rejects beside the file, where its lookups are, and takes them once they are put right", async () => {
    const { file, map } = files([...good, "4,1,sale,2026-11-20 09:03:00,leeds,fig,many"]);
    const folder = dirname(file);
    writeFileSync(join(folder, "shops.csv"), "Shop,Name\nleeds,leeds north\n");
    const lookups = [{ file: "shops.csv", key: "Shop", columns: { Name: "Name" } }];
    writeFileSync(map, JSON.stringify({ ...mapping, source: "looking", lookups }));
    const first = await larder(["import", file, "--mapping", map, "--json"], env);
    const rejects = join(folder, "sales.rejects.csv");
    expect([first.code, JSON.parse(first.out).rejects]).toEqual([1, rejects]);
    writeFileSync(rejects, readFileSync(rejects, "utf8").replaceAll("many", "3"));
    const again = await larder(["import", rejects, "--mapping", map, "--json"], env);
    expect([again.code, JSON.parse(again.out)]).toMatchObject([0, { accepted: 1, rejectedCount: 0 }]);
    expect(JSON.parse((await larder(["stock", "fig", "--json"], env)).out)).toMatchObject({ totals: { onHand: -3 } });
  });

  it("does not write rejects over what it reads", async () => {
    const { file, args, map } = files([...good, broken]);
    const before = readFileSync(file);
    for (const place of [file, map]) {
      const result = await larder(["import", ...args, "--dry-run", "--rejects", place], env);
      expect([result.code, result.err]).toEqual([2, expect.stringContaining("would be written over")]);
    }
    expect(readFileSync(file)).toEqual(before);
  });

  it("reads standard input, and summarises for people", async () => {
    const { map, file } = files(good);
    const child = spawnLarder(["import", "-", "--mapping", map], env);
    child.stdin!.end(readFileSync(file));
    let out = "";
    child.stdout!.on("data", (chunk) => (out += chunk));
    const code = await new Promise((resolve) => child.on("exit", resolve));
    expect(code).toBe(0);
    expect(out).toMatch(/^2 rows in [\d.]+ s \(\d+\/s\) made 2: 0 new, 2 known before\.$/m);
  });

  it("says what is wrong with the mapping, the file and the key", async () => {
    const { args, map, file } = files(good);
    writeFileSync(map, JSON.stringify({ ...mapping, rules: [{ fact: { type: "larder.stock.sold.v2", data: {} } }] }));
    const wrong = await larder(["import", ...args], env);
    expect(wrong).toMatchObject({ code: 2, out: "" });
    expect(wrong.err).toContain(`The mapping ${map} can't be used: rules[0].fact.type`);
    writeFileSync(map, JSON.stringify(mapping));
    expect(await larder(["import", `${file}.absent`, "--mapping", map], env)).toMatchObject({
      code: 1,
      err: expect.stringContaining("does not exist"),
    });
    expect(await larder(["import", file, "--mapping", map], { ...env, LARDER_KEY: "no key" })).toMatchObject({
      code: 1,
      err: expect.stringContaining("--key or LARDER_KEY"),
    });
    expect(await larder(["import", file], env)).toMatchObject({ code: 2, err: expect.stringContaining("--mapping") });
  });

  it("registers items by their barcodes", async () => {
    const folder = temporaryFolder(onTestFinished);
    const file = join(folder, "codes.csv");
    writeFileSync(file, "barcode,product_name\n4006381333931,Pencil\n4006381333930,Wrong\n");
    const result = await larder(
      ["import", "items", file, "--mapping", "examples/gtin/items.json", "--rejects", join(folder, "r.csv"), "--json"],
      env,
    );
    expect(JSON.parse(result.out)).toMatchObject({ rows: 2, accepted: 1, rejectedCount: 1 });
    expect(result.code).toBe(1);
    const found = await fetch(`${server.url}/v1/items?gtin=4006381333931`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(await found.json()).toMatchObject({ items: [{ name: "Pencil" }] });
  });
});

describe("larder import --epcis", () => {
  const examples = new URL("../../examples/epcis/", import.meta.url).pathname;
  const args = (file: string) => [
    "import",
    `${examples}${file}`,
    "--epcis",
    "--mapping",
    `${examples}mapping.json`,
    "--json",
  ];

  it("records a day told in JSON once, also when it is told in XML again", async () => {
    const rejects = join(temporaryFolder(onTestFinished), "rejects.ndjson");
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const items = [
      { sku: "milk", name: "Milk", unit: "each", gtins: ["9506000134307"] },
      { sku: "beef", name: "Beef", unit: "g", gtins: ["9506000134314"] },
    ];
    const put = await fetch(`${server.url}/v1/items:batch`, {
      method: "POST",
      headers,
      body: JSON.stringify({ items }),
    });
    expect(put.status).toBe(200);

    const first = await larder([...args("a-day.jsonld"), "--rejects", rejects], env);
    expect(JSON.parse(first.out)).toMatchObject({ rows: 12, made: 11, accepted: 10, rejectedCount: 1 });
    expect(first.code).toBe(1);
    const [reject] = readFileSync(rejects, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(reject).toMatchObject({
      line: 7,
      reason: expect.stringContaining("unknown-item"),
      row: { type: "TransformationEvent" },
    });

    const again = await larder([...args("a-day.xml"), "--rejects", rejects], env);
    expect(JSON.parse(again.out)).toMatchObject({ rows: 12, made: 11, accepted: 0, duplicates: 10, rejectedCount: 1 });
    expect(JSON.parse((await larder(["stock", "milk", "--json"], env)).out)).toMatchObject({
      totals: { onHand: 36, unavailable: 1 },
    });
    expect(JSON.parse((await larder(["stock", "beef", "--json"], env)).out)).toMatchObject({
      totals: { onHand: 7500 },
    });
  });

  it("refuses a mapping of rows, and says what one of EPCIS holds", async () => {
    const { map } = files(good);
    const result = await larder(["import", `${examples}a-day.jsonld`, "--epcis", "--mapping", map], env);
    expect(result.code).not.toBe(0);
    expect(result.err).toContain('"places" is missing');
  });
});
