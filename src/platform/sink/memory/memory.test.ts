import { sinkContract } from "../sink.contract.ts";
import { MemorySink } from "./index.ts";

for (const holds of ["events", "stocks"] as const)
  sinkContract(`memory, of ${holds}`, async () => {
    const sink = new MemorySink(holds);
    return {
      sink,
      held: async () => ({ events: sink.events.map(({ id }) => id), stocks: [...sink.stocks.values()] }),
      wipe: async () => sink.wipe(),
      remove: async () => undefined,
    };
  });
