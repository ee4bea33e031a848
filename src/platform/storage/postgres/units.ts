import type { Querying } from "../../postgres/index.ts";
import type { Sequence } from "../port.ts";
import { readUnit, type StoredUnit } from "../unit.ts";
import { statements } from "./statements.ts";

/** As `Storage.readLog`, up to `head`. */
export async function unitsAfter(
  postgres: Querying,
  after: Sequence,
  limit: number,
  head = Number.MAX_SAFE_INTEGER,
): Promise<StoredUnit[]> {
  const values = [after, head, Math.min(Math.max(limit, 1), unitsPerRead)];
  const rows = await postgres.query<{ seq: number; body: string }>(statements.logAfter, values);
  const found: StoredUnit[] = [];
  let events = 0;
  for (const { seq, body } of rows) {
    const unit = readUnit(seq, body).after(after);
    events += unit.events.length;
    if (found.length > 0 && events > limit) break;
    found.push(unit);
  }
  return found;
}

const unitsPerRead = 1_000_000;
