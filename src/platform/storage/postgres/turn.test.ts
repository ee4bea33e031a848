import { expect, it } from "vitest";
import type { Session } from "../../postgres/index.ts";
import { HeldTurn } from "./turn.ts";

it("leaves nothing on its session once it is over, for sessions have turn after turn", async () => {
  const heard = new Set<() => void>();
  const session: Session = {
    processId: 1,
    query: async () => [],
    onEnd(listener) {
      heard.add(listener);
      return () => heard.delete(listener);
    },
    onNotification: () => undefined,
    close: async () => undefined,
  };
  for (const isUsed of [true, false]) {
    const turn = new HeldTurn(session, 0, () => undefined);
    expect([turn.isHeld, heard.size]).toEqual([true, 1]);
    await (isUsed ? turn.append([]) : turn.end());
    expect([turn.isHeld, heard.size]).toEqual([false, 0]);
  }
  const lost = new HeldTurn(session, 0, () => undefined);
  for (const listener of heard) listener();
  expect(lost.isHeld).toBe(false);
  await lost.end();
  expect(heard.size).toBe(0);
});
