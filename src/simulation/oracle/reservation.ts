/** One reservation by the table of the public contract. */
import { type LoggedAllocation, type LoggedData, type LoggedEvent, type LoggedUnit, must } from "./shapes.ts";

export type Status = "active" | "confirmed" | "partly-fulfilled" | "fulfilled" | "released" | "expired";

export interface Line extends LoggedAllocation {
  fulfilled: number;
  released: number;
}

export class ReservationOracle {
  readonly id: string;
  readonly actor: string;
  /** Which request made it. */
  readonly reference: string;
  status: Status = "active";
  expiresAt: number | null;
  lines: Line[];
  /** What was asked under each idempotency key of a fulfilment. */
  readonly keys = new Map<string, string>();
  /** How often it has ended. */
  ends = 0;
  readonly placedAt: number;

  constructor(id: string, actor: string, data: LoggedData, placedAt: number) {
    this.id = id;
    this.actor = actor;
    this.reference = data.reference ?? "";
    this.expiresAt = data.expiresAt ?? 0;
    this.lines = linesOf(data);
    this.placedAt = placedAt;
  }

  isOpen(): boolean {
    return this.status === "active" || this.status === "confirmed" || this.status === "partly-fulfilled";
  }

  statusAt(now: number): Status {
    return this.status === "active" && this.expiresAt !== null && this.expiresAt <= now ? "expired" : this.status;
  }

  wasCutShort(): boolean {
    return this.status === "fulfilled" && this.lines.some(({ released }) => released > 0);
  }

  follow({ type, data }: LoggedEvent, { at: now, by }: LoggedUnit): void {
    const may = (allowed: boolean) =>
      must(allowed, () => `${type} follows for ${this.id}, which is ${this.statusAt(now)}`);
    switch (type) {
      case "ReservationExtended":
        may(this.statusAt(now) === "active" && (data.expiresAt ?? 0) > (this.expiresAt ?? 0));
        this.expiresAt = data.expiresAt ?? 0;
        return;
      case "ReservationAmended":
        may(this.statusAt(now) === "active");
        this.lines = linesOf(data);
        return;
      case "ReservationConfirmed":
        may(this.statusAt(now) === "active");
        this.status = "confirmed";
        this.expiresAt = null;
        return;
      case "ReservationExpired":
        may(this.status === "active" && this.statusAt(now) === "expired");
        this.status = "expired";
        this.ends += 1;
        return;
      case "ReservationReacquired":
        may(this.status === "expired");
        this.status = "confirmed";
        this.expiresAt = null;
        this.ends -= 1;
        return;
      case "ReservationFulfilled":
        may(["active", "confirmed", "partly-fulfilled"].includes(this.statusAt(now)));
        for (const { allocation, quantity } of data.parts ?? []) {
          const line = this.lines[allocation];
          must(line !== undefined, () => `${this.id} has no allocation ${allocation}`);
          line.fulfilled += quantity;
          must(line.fulfilled <= line.quantity, () => `more of ${this.id} is handed over than was reserved`);
        }
        if (data.key !== undefined)
          must(!this.keys.has(`${by} ${data.key}`), () => `${this.id} is fulfilled twice under the key ${data.key}`);
        this.expiresAt = null;
        this.status = this.lines.every((line) => line.fulfilled === line.quantity) ? "fulfilled" : "partly-fulfilled";
        this.ends += this.status === "fulfilled" ? 1 : 0;
        break;
      case "ReservationReleased":
        may(["active", "confirmed", "partly-fulfilled"].includes(this.statusAt(now)));
        this.status = this.lines.some(({ fulfilled }) => fulfilled > 0) ? "fulfilled" : "released";
        for (const line of this.lines) line.released = line.quantity - line.fulfilled;
        this.expiresAt = null;
        this.ends += 1;
        break;
      default:
        must(false, () => `${type} is no event of a reservation`);
    }
    must(this.ends <= 1, () => `${this.id} ends a second time by ${type}`);
  }

  /** What an answer shows of it. */
  viewAt(now: number): string {
    const lines = this.lines.map(
      ({ sku, location, quantity, line, fulfilled }) => `${line}:${quantity}(${fulfilled}) ${sku}@${location}`,
    );
    return `${this.id} ${this.statusAt(now)} until ${this.expiresAt ?? "the end"}: ${lines.join(", ")}`;
  }
}

function linesOf({ allocations = [] }: LoggedData): Line[] {
  return allocations.map((allocation) => ({ ...allocation, fulfilled: 0, released: 0 }));
}
