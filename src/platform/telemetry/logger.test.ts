import { describe, expect, it } from "vitest";
import { createLogger } from "./index.ts";

const key = `lk_${"aZ0_-".repeat(8)}abc`;

function recorded(format: "json" | "pretty" | "auto" = "json", isTTY = false) {
  const lines: string[] = [];
  const logger = createLogger({ level: "debug", format, to: { write: (text) => lines.push(text), isTTY } });
  return { logger, text: () => lines.join("") };
}

describe("the logger", () => {
  it("writes one JSON object a line, with RFC 3339 time and the level as a word", () => {
    const { logger, text } = recorded();
    logger.child({ requestId: "r1" }).info({ route: "/v1/stock" }, "answered");
    const record = JSON.parse(text());
    expect(record).toMatchObject({ level: "info", requestId: "r1", route: "/v1/stock", msg: "answered" });
    expect(record.time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  it("masks secrets by the name of their member", () => {
    const { logger, text } = recorded();
    logger.info({ req: { headers: { authorization: "Basic hunter2", cookie: "hunter2" } } }, "in");
    logger.info({ settings: { adminKey: "hunter2" }, key: "hunter2", body: { secret: "hunter2" } }, "in");
    expect(text()).not.toContain("hunter2");
  });

  it("masks keys and bearer tokens in any text, also in messages, arrays and errors", () => {
    const { logger, text } = recorded();
    logger.info(`key is ${key}`);
    logger.info({ list: [[{ deep: `Bearer abc.def.ghijkl` }]] }, "x");
    logger.error({ err: new Error(`no such key: ${key}`) }, "failed");
    expect(text()).not.toContain(key.slice(3));
    expect(text()).not.toContain("abc.def");
    for (const line of text().trim().split("\n")) expect(() => JSON.parse(line)).not.toThrow();
  });

  it("is pretty on a terminal and JSON elsewhere, and masks in both", () => {
    const terminal = recorded("auto", true);
    terminal.logger.warn(`with ${key}`);
    expect(terminal.text()).toContain("WARN");
    expect(terminal.text()).not.toContain(key);
    const pipe = recorded("auto", false);
    pipe.logger.warn("x");
    expect(JSON.parse(pipe.text())).toMatchObject({ level: "warn" });
  });
});
