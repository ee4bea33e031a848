/**
 * Intake on virtual time, with everything that may go wrong around it: requests sent again, the inventory that takes
 * nothing, or takes all and its answer is lost, or breaks on a fact, and the server that dies in the middle and starts
 * again. Each fact that was acknowledged must have one effect, or be a dead letter with its cause; none may vanish.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { limits, PlatformError } from "../../../kernel/index.ts";
import { MemoryMessaging } from "../../../platform/messaging/memory/index.ts";
import { VirtualTime } from "../../../platform/messaging/samples.ts";
import type { Timers } from "../../../platform/timers/index.ts";
import type { FactsReceipt } from "../../inventory/index.ts";
import { type RunningIntake, startIntake } from "../intake.ts";
import { factsQueue } from "./facts-queue.ts";

type Step =
  | { readonly do: "send"; readonly facts: readonly number[] }
  | { readonly do: "crash" }
  | { readonly do: "weather"; readonly is: Weather }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "redrive" };

type Weather = "fair" | "down" | "answers-lost" | "flaky";

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      facts: fc.array(fc.nat(59), { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("crash" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("weather" as const),
      is: fc.constantFrom<Weather>("fair", "fair", "down", "answers-lost", "flaky"),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(1, 60, 5000, limits.intakeLeaseMs) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("redrive" as const) }) },
);

const skuOf = (n: number) => `sku-${n % 5}`;
/** What no inventory records, and what only one records that knows the item. */
const isNonsense = (n: number) => n % 13 === 7;
const needsItem = (n: number) => n % 11 === 3;
/** What breaks the inventory the first times that it sees it. */
const breaks = (n: number) => n % 17 === 5;

const factOf = (n: number) => ({
  specversion: "1.0",
  source: "till",
  id: `f${n}`,
  type: "larder.stock.sold.v1",
  data: { sku: skuOf(n), location: "leeds", quantity: 1 },
});
const numberOf = (fact: unknown) => Number((fact as { id: string }).id.slice(1));

class World {
  readonly #time = new VirtualTime();
  readonly #messaging = new MemoryMessaging(this.#time);
  readonly #acknowledged = new Set<number>();
  /** Facts in the order in which each took effect. */
  readonly #effects: number[] = [];
  readonly #broken = new Map<number, number>();
  #weather: Weather = "fair";
  #knowsItem = false;
  #asked = 0;
  #life = { isDead: false };
  #intake: RunningIntake | undefined;

  async run(history: readonly Step[]): Promise<void> {
    await this.#start();
    for (const step of history) await this.#take(step);
    await this.#comeToRest();
  }

  async #start(): Promise<void> {
    const life = { isDead: false };
    this.#life = life;
    const after = (ms: number, run: () => void) => this.#time.timer(ms, () => (life.isDead ? undefined : run()));
    const timers: Timers = {
      after,
      every: () => () => undefined,
      soon: (run) => void after(0, run),
      elapsedMs: this.#time.clock,
    };
    this.#intake = await startIntake({
      messaging: this.#messaging,
      inventory: {
        recordFacts: (facts) => this.#record(facts, life),
        itemsByGtin: () => Promise.reject(new Error("nobody asks")),
      },
      clock: this.#time.clock,
      random: () => 0.5,
      timers,
    });
  }

  async #take(step: Step): Promise<void> {
    switch (step.do) {
      case "send": {
        const outcome = await this.#intake?.enqueueFacts(step.facts.map(factOf), {
          id: "till",
          ownReservations: false,
        });
        expect(outcome).toEqual({ ok: true, value: { queued: step.facts.length } });
        for (const n of step.facts) this.#acknowledged.add(n);
        return;
      }
      case "crash":
        // What it had under way is never heard of again; its leases run out.
        this.#life.isDead = true;
        void this.#intake?.stop();
        await this.#start();
        return;
      case "weather":
        this.#weather = step.is;
        return;
      case "pass":
        await this.#pass(step.ms);
        return;
      case "redrive":
        await this.#messaging.deadLetters.redriveQueue(factsQueue);
    }
  }

  async #record(facts: readonly unknown[], life: { readonly isDead: boolean }): Promise<FactsReceipt> {
    await Promise.resolve();
    // A process that is gone asks for nothing, and hears nothing.
    if (life.isDead) return await new Promise<never>(() => undefined);
    this.#asked += 1;
    const isDown = this.#weather === "down" || (this.#weather === "flaky" && this.#asked % 3 === 0);
    if (isDown) throw new PlatformError("storage-unavailable", "out of reach");
    const rejected: FactsReceipt["rejected"][number][] = [];
    for (const [index, fact] of facts.entries()) {
      const n = numberOf(fact);
      if (isNonsense(n)) rejected.push({ index, id: `f${n}`, code: "invalid-fact", detail: "nonsense" });
      else if (needsItem(n) && !this.#knowsItem)
        rejected.push({ index, id: `f${n}`, code: "unknown-item", detail: "no item" });
      else if (breaks(n) && (this.#broken.get(n) ?? 0) < 2) {
        this.#broken.set(n, (this.#broken.get(n) ?? 0) + 1);
        throw new Error(`a defect on ${n}`);
      } else if (!this.#effects.includes(n)) this.#effects.push(n);
    }
    if (this.#weather === "answers-lost" && this.#asked % 2 === 0)
      throw new PlatformError("storage-unavailable", "the answer was lost");
    return { accepted: 0, duplicates: 0, rejected, position: "" };
  }

  /** Lets time pass in steps, and all that is due happen. */
  async #pass(ms: number): Promise<void> {
    const parts = 4;
    for (let part = 0; part < parts; part += 1) {
      this.#time.pass(Math.ceil(ms / parts));
      for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #dead(): Promise<readonly number[]> {
    const { items } = await this.#messaging.deadLetters.list({ queue: factsQueue, order: "oldest-first", limit: 1000 });
    const letters = await Promise.all(items.map(({ id }) => this.#messaging.deadLetters.read(id)));
    for (const letter of letters) expect(letter?.cause).toMatch(/^(?:invalid-fact|unknown-item): .+/);
    return letters.map((letter) => numberOf(JSON.parse(letter?.body ?? "{}"))).sort((a, b) => a - b);
  }

  async #comeToRest(): Promise<void> {
    const settle = async () => {
      for (let round = 0; round < 60 && (await this.#messaging.depth(factsQueue)).waiting > 0; round += 1)
        await this.#pass(limits.intakeLeaseMs);
      expect((await this.#messaging.depth(factsQueue)).waiting).toBe(0);
    };
    this.#weather = "fair";
    await settle();
    const known = [...this.#acknowledged].sort((a, b) => a - b);
    const lost = known.filter((n) => !this.#effects.includes(n));
    expect(await this.#dead()).toEqual(lost);
    expect(lost.filter((n) => !isNonsense(n) && !needsItem(n))).toEqual([]);

    this.#knowsItem = true;
    await this.#messaging.deadLetters.redriveQueue(factsQueue);
    await settle();
    expect(await this.#dead()).toEqual(known.filter(isNonsense));
    expect(this.#effects.toSorted((a, b) => a - b)).toEqual(known.filter((n) => !isNonsense(n)));
    this.#life.isDead = true;
  }
}

it("each fact that was acknowledged has one effect or is a dead letter, whatever goes wrong", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 10, maxLength: 60, size: "max" }), async (history) => {
      await new World().run(history);
    }),
    { numRuns: 40, interruptAfterTimeLimit: 15_000 },
  );
}, 60_000);
