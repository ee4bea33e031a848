/** What the server-side `larder.append` is told of units (migrations/0003-deadlines.sql), and how they are placed by its answer. */
import { hash } from "node:crypto";
import { type Instant, invariant } from "../../../kernel/index.ts";
import { admit } from "../admission.ts";
import type { AppendOutcome, AppendUnit, RecordedEvent, Sequence, Tagging, UnitMeta } from "../port.ts";
import { StoredUnit } from "../unit.ts";

/** What units are judged on before the server has spoken. It says where this is wrong. */
export interface Beliefs {
  /** The version of each stream. */
  readonly versions: Map<string, number>;
  /** Names that are taken. */
  readonly taken: Set<string>;
  /** The server's clock, when it has last spoken. */
  now?: Instant;
}

/** Where the log ends, as far as this process has heard. */
export interface KnownEnd {
  readonly head: Sequence;
  readonly lastRecordedAt: Instant;
}

/** Units judged on beliefs. Their outcomes are right if the versions and claims are; their places, if the head is too. */
export interface Proposal {
  readonly outcomes: readonly AppendOutcome[];
  readonly units: readonly StoredUnit[];
  /** The streams whose versions the server has to compare, in the order in which it is told of them. */
  readonly streams: readonly string[];
  /** When it is too late for the first of the accepted units, by what is recorded and by the server's clock. */
  readonly before: Instant | undefined;
  readonly deadline: Instant | undefined;
  readonly parameters: readonly Parameter[];
}

type Parameter = string | number | null;

/** Takes each stream to have the version that the first unit which names it expects. */
export function firstBeliefs(units: readonly AppendUnit[]): Beliefs {
  const versions = new Map<string, number>();
  for (const { expected } of units) {
    for (const { stream, version } of expected) if (!versions.has(stream)) versions.set(stream, version);
  }
  return { versions, taken: new Set() };
}

/**
 * Judges units on beliefs. `isFirst` lets the server compare all that the units name; later on only what the accepted ones
 * rest on, for what has failed has failed by what the server has said.
 */
export function propose(
  asked: readonly AppendUnit[],
  { versions, taken, now }: Beliefs,
  { head, lastRecordedAt }: KnownEnd,
  tagging: Tagging,
  isFirst: boolean,
): Proposal {
  const { outcomes, units } = admit(asked, {
    head,
    lastRecordedAt,
    ...(now !== undefined && { now }),
    version: (stream) => versions.get(stream) ?? 0,
    isClaimed: (key) => taken.has(key),
  });
  const streams = new Set<string>();
  const free = new Set<string>();
  const accepted = asked.filter((_, place) => outcomes[place]?.ok);
  const before = earliest(accepted.map((unit) => unit.before));
  const deadline = earliest(accepted.map((unit) => unit.deadline));
  for (const [place, unit] of asked.entries()) {
    if (!isFirst && !outcomes[place]?.ok) continue;
    for (const { stream } of unit.expected) streams.add(stream);
    for (const key of unit.free ?? []) free.add(key);
  }
  const compared = [...streams];
  const bases = compared.map((stream) => versions.get(stream) ?? 0);
  const footing = { head, before, deadline, streams: compared, bases, free: [...free] };
  return { outcomes, units, streams: compared, before, deadline, parameters: parametersOf(units, footing, tagging) };
}

function earliest(instants: readonly (Instant | undefined)[]): Instant | undefined {
  const known = instants.filter((instant) => instant !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** What units rest on, in the terms of `larder.append`. */
export interface Footing {
  readonly head: Sequence;
  /** As in `Proposal`. */
  readonly before?: Instant | undefined;
  readonly deadline?: Instant | undefined;
  readonly streams: readonly string[];
  /** The version that each of these streams must have. */
  readonly bases: readonly number[];
  /** Names that must not be taken, beside those that the units take. */
  readonly free: readonly string[];
}

/** The last parameters of `larder.append`, from `before` on. */
export function parametersOf(
  units: readonly StoredUnit[],
  { head, before, deadline, streams, bases, free }: Footing,
  tagging: Tagging,
): readonly Parameter[] {
  return [
    before ?? null,
    deadline ?? null,
    lines(streams),
    list(bases),
    ...claimParameters(units, head),
    list(free),
    ...unitParameters(units, head),
    ...streamParameters(units, head),
    ...tagParameters(units, head, tagging),
  ];
}

function claimParameters(units: readonly StoredUnit[], head: Sequence): string[] {
  const claims = units.flatMap(({ seq, claims: own }) => own.map((claim) => ({ ...claim, first: seq - head })));
  return [
    list(claims.map(({ key }) => key)),
    list(claims.map(({ print }) => storedPrint(print))),
    list(claims.map(({ first }) => first)),
  ];
}

function unitParameters(units: readonly StoredUnit[], head: Sequence): string[] {
  return [
    list(units.map(({ seq }) => seq - head)),
    list(units.map(({ events }) => events.length)),
    list(units.map(({ meta }) => meta.recordedAt)),
    lines(units.map(({ meta }) => meta.command)),
    units.map(({ body }) => body).join("\n"),
  ];
}

/** For each stream the version that it comes to, and the units that bring it there. */
function streamParameters(units: readonly StoredUnit[], head: Sequence): string[] {
  const added = new Map<string, { version: number; readonly firsts: Sequence[] }>();
  for (const { seq, events } of units) {
    const first = seq - head;
    for (const { stream, version } of events) {
      const known = added.get(stream);
      if (known === undefined) {
        added.set(stream, { version, firsts: [first] });
        continue;
      }
      known.version = version;
      if (known.firsts.at(-1) !== first) known.firsts.push(first);
    }
  }
  const all = [...added.values()];
  return [
    lines([...added.keys()]),
    list(all.map(({ version }) => version)),
    all.map(({ firsts }) => list(firsts)).join("\n"),
  ];
}

function tagParameters(units: readonly StoredUnit[], head: Sequence, tagging: Tagging): string[] {
  const rows = new Map<string, Sequence[]>();
  const known = new Map<string, string>();
  for (const unit of units) {
    const first = unit.seq - head;
    for (const tag of tagging.of(unit)) {
      const stored = known.get(tag) ?? storedTag(tag);
      known.set(tag, stored);
      const firsts = rows.get(stored);
      if (firsts === undefined) rows.set(stored, [first]);
      else if (firsts.at(-1) !== first) firsts.push(first); // once, also for two tags of one digest
    }
  }
  return [list([...rows.keys()]), [...rows.values()].map((firsts) => list(firsts)).join("\n")];
}

/** The unit `by` places further on, recorded no earlier than `at`. The server has changed its text alike. */
export function moved(unit: StoredUnit, by: Sequence, at: Instant): StoredUnit {
  const isLate = unit.meta.recordedAt < at;
  if (by === 0 && !isLate) return unit;
  const meta: UnitMeta = isLate ? { ...unit.meta, recordedAt: at } : unit.meta;
  const body = isLate ? `{"at":${at}${unit.body.slice(unit.body.indexOf(","))}` : unit.body;
  const events = unit.events.map((event): RecordedEvent => ({ ...event, seq: event.seq + by, unit: meta }));
  return new StoredUnit(meta, events, unit.claims, body);
}

/** Throws `InvariantError` for names that PostgreSQL can't hold, or that would not come through as one line. */
export function checkNames(units: readonly AppendUnit[]): void {
  for (const { meta, expected } of units) {
    checkName(meta.command);
    for (const { stream } of expected) checkName(stream);
  }
}

function checkName(name: string): void {
  invariant(!/[\n\0]/.test(name) && name.isWellFormed() && name !== "", "a name is text of one line");
}

/** A tag as it is kept: 64 bits of a digest. */
export function storedTag(tag: string): string {
  return hash("sha256", tag, "buffer").readBigInt64BE(0).toString();
}

export function storedPrint(print: string): string {
  return BigInt.asIntN(64, BigInt(`0x${print}`)).toString();
}

export function printOf(stored: string): string {
  return BigInt.asUintN(64, BigInt(stored)).toString(16).padStart(16, "0");
}

function lines(texts: readonly string[]): string {
  return texts.join("\n");
}

/** An array, as PostgreSQL reads it; of numbers, digits and hexadecimal digits, which need no quotes. */
export function list(values: readonly (number | string)[]): string {
  return `{${values.join(",")}}`;
}
