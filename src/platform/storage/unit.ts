/**
 * The stored form of a unit: one JSON text, legible to a person, written once and never changed. Seals hash its bytes,
 * so a member is added at the end and never renamed; `unit.test.ts` holds a sample of each released form.
 *
 * ```json
 * {"at": 1763719200000, "cmd": "…", "by": "…",
 *  "fact": {"source": "…", "id": "…", "type": "…", "time": 1763719199000},
 *  "events": [{"stream": "…", "v": 3, "type": "StockSold", "schema": 1, "data": {…}}],
 *  "claims": [["<key>", "<print>"]]}
 * ```
 *
 * `at` is the recording time in milliseconds, `cmd` the command, `by` the actor, `v` the version within the stream.
 * `fact`, its `time`, and `claims` are left out when there are none. Readers pass over members that they do not know.
 */
import { type Instant, invariant } from "../../kernel/index.ts";
import type { AppendUnit, Claim, FactMeta, RecordedEvent, RecordedUnit, Sequence, UnitMeta } from "./port.ts";

interface Body {
  readonly at: Instant;
  readonly cmd: string;
  readonly by: string;
  readonly fact?: FactMeta;
  readonly events: readonly BodyEvent[];
  /** Pairs, not an object: keys that are all different would make the engine invent a shape for each. */
  readonly claims?: readonly (readonly [key: string, print: string])[];
}

interface BodyEvent {
  readonly stream: string;
  readonly v: number;
  readonly type: string;
  readonly schema: number;
  readonly data: object;
}

/** A unit of the log with its stored form. */
export class StoredUnit implements RecordedUnit {
  readonly meta: UnitMeta;
  readonly events: readonly RecordedEvent[];
  readonly claims: readonly Claim[];
  readonly body: string;

  constructor(meta: UnitMeta, events: readonly RecordedEvent[], claims: readonly Claim[], body: string) {
    this.meta = meta;
    this.events = events;
    this.claims = claims;
    this.body = body;
  }

  /** The sequence of the first event that is here. */
  get seq(): Sequence {
    return this.events[0]?.seq ?? 0;
  }

  /** The sequence of the last event. */
  get lastSeq(): Sequence {
    return this.events.at(-1)?.seq ?? 0;
  }

  /** The unit without its events up to `after`; meta, claims and body stay those of the whole. */
  after(after: Sequence): StoredUnit {
    if (this.seq > after) return this;
    const rest = this.events.filter((event) => event.seq > after);
    return new StoredUnit(this.meta, rest, this.claims, this.body);
  }
}

/**
 * The unit as it is recorded from `seq` on; `versionAfter` counts a stream's version up by one. The data are those of
 * the caller, not copied: whoever appends gives them away. The text is joined from parts, which costs half of writing
 * one object of all of it.
 */
export function recordUnit(
  unit: AppendUnit,
  meta: UnitMeta,
  seq: Sequence,
  versionAfter: (stream: string) => number,
): StoredUnit {
  const { claims = noClaims } = unit;
  const recorded: RecordedEvent[] = [];
  let stored = "";
  for (const { stream, type, schema, data } of unit.events) {
    const version = versionAfter(stream);
    stored +=
      `${recorded.length > 0 ? "," : ""}{"stream":${JSON.stringify(stream)},"v":${version},"type":"${type}",` +
      `"schema":${schema},"data":${JSON.stringify(data)}}`;
    recorded.push({ seq: seq + recorded.length, stream, version, type, schema, data, unit: meta });
  }
  const { recordedAt, command, actor, fact } = meta;
  const cause = fact === undefined ? "" : `,"fact":${JSON.stringify(storedFact(fact))}`;
  const body =
    `{"at":${recordedAt},"cmd":${JSON.stringify(command)},"by":${JSON.stringify(actor)}${cause},` +
    `"events":[${stored}]${storedClaims(claims)}}`;
  return new StoredUnit(meta, recorded, claims, body);
}

const noClaims: readonly Claim[] = [];

/** Keys and prints are hexadecimal digits, and types are names of ours: neither needs escaping. */
function storedClaims(claims: readonly Claim[]): string {
  if (claims.length === 0) return "";
  return `,"claims":[${claims.map(({ key, print }) => `["${key}","${print}"]`).join(",")}]`;
}

/** Reads a stored unit whose first event has `seq`. Throws `InvariantError` when the text is not a unit. */
export function readUnit(seq: Sequence, text: string): StoredUnit {
  const body = parseBody(seq, text);
  const meta: UnitMeta = {
    command: body.cmd,
    recordedAt: body.at,
    actor: body.by,
    ...(body.fact && { fact: storedFact(body.fact) }),
  };
  const events = body.events.map(
    ({ stream, v, type, schema, data }, index): RecordedEvent => ({
      seq: seq + index,
      stream,
      version: v,
      type,
      schema,
      data,
      unit: meta,
    }),
  );
  const claims = (body.claims ?? []).map(([key, print]): Claim => ({ key, print }));
  return new StoredUnit(meta, events, claims, text);
}

function parseBody(seq: Sequence, text: string): Body {
  let body: Partial<Body>;
  try {
    body = JSON.parse(text) ?? {};
  } catch {
    body = {};
  }
  invariant(isBody(body), `what the log holds at ${seq} is no unit`);
  return body;
}

/** Whether everything is there and of its kind; what the events say is looked at by whoever knows them. */
function isBody(body: Partial<Body>): body is Body {
  const { at, cmd, by, fact, events, claims = [] } = body;
  return (
    Number.isSafeInteger(at) &&
    typeof cmd === "string" &&
    typeof by === "string" &&
    (fact === undefined || isFact(fact)) &&
    Array.isArray(events) &&
    events.length > 0 &&
    events.every(isEvent) &&
    Array.isArray(claims) &&
    claims.every((claim) => Array.isArray(claim) && typeof claim[0] === "string" && typeof claim[1] === "string")
  );
}

function isEvent(event: Partial<BodyEvent> | null): boolean {
  return (
    typeof event?.stream === "string" &&
    Number.isSafeInteger(event.v) &&
    typeof event.type === "string" &&
    Number.isSafeInteger(event.schema) &&
    typeof event.data === "object" &&
    event.data !== null
  );
}

function isFact(fact: Partial<FactMeta> | null): boolean {
  return typeof fact?.source === "string" && typeof fact.id === "string" && typeof fact.type === "string";
}

/** One order of members, whatever the order in which the caller set them. */
function storedFact({ source, id, type, time }: FactMeta): FactMeta {
  return time === undefined ? { source, id, type } : { source, id, type, time };
}
