import { expect, it } from "vitest";
import type { SinkFigures } from "../../services/relay/index.ts";
import { createMetrics } from "../telemetry/index.ts";
import { sinkChecks, watchSinks } from "./observe-sinks.ts";

it("tells sinks that wait for `larder resume` as not up, and how far they are behind once they are asked", async () => {
  const all: SinkFigures[] = [
    { name: "nats", status: "paused", lagEvents: 0 },
    { name: "redis", status: "elsewhere", lagEvents: 0 },
  ];
  const registry = createMetrics();
  watchSinks(() => all, registry);
  expect(sinkChecks(all, 0)["nats"]).toEqual({ ok: true, detail: "paused after a restore, until `larder resume`" });
  const paused = await registry.scrape();
  expect(paused).toContain('larder_sinks_up{sink="nats"} 0');
  expect(paused).not.toContain('larder_sinks_lag_events{sink="nats"}');
  expect(paused).not.toContain('sink="redis"');
  all[0] = { name: "nats", status: "following", lagEvents: 3 };
  const following = await registry.scrape();
  expect(following).toContain('larder_sinks_up{sink="nats"} 1');
  expect(following).toContain('larder_sinks_lag_events{sink="nats"} 3');
});
