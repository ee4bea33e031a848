/**
 * What is asked of the server, prepared once in each connection. The tables and functions are in `migrations`. A value
 * that is added to is cast: PostgreSQL would take it for an `integer`, which positions outgrow.
 */
import type { Statement } from "../../postgres/index.ts";
import type { Epoch, Sequence } from "../port.ts";

/** How the log stands, and the oldest units after a position, one a line; null when there are none. */
export interface News {
  readonly base: Sequence;
  readonly at: number;
  /** The server's clock. */
  readonly now: number;
  readonly paused: boolean;
  readonly epoch: number;
  readonly news: string | null;
}

/** The answer of `larder.append`. `base` and `at` are those before it. */
export interface Appended extends Omit<News, "epoch"> {
  readonly appended: boolean;
  /** Places, from 1, of the streams that have another version, and that version. */
  readonly moved: readonly (number | string)[] | null;
  readonly moved_versions: readonly number[] | null;
  /** Names that are taken. */
  readonly claimed: readonly string[] | null;
}

/** What a process reads when it opens the log. */
export interface LogMeta {
  readonly storeId: string;
  readonly epochs: readonly Epoch[];
  readonly seq: Sequence;
  readonly at: number;
  readonly paused: boolean;
  readonly tagging: number | null;
}

/** Why `larder.append` refuses: SQLSTATEs, those of `LD` its own. */
export const codes = { clockAhead: "LD004", noPart: "23514", notAllowed: "42501" } as const;

const parameters = Array.from({ length: 25 }, (_, index) => `$${index + 1}`).join(", ");

export const statements = {
  append: named("append", `select * from larder.append(${parameters})`),
  news: named("news", news("$1", "$2")),
  unitsAfter: named("units-after", "select body from larder.log where seq > $1 and seq <= $2 order by seq limit $3"),
  logAfter: named(
    "log-after",
    `select seq, body from larder.log
     where seq >= coalesce((select seq from larder.log where seq <= $1::bigint + 1 order by seq desc limit 1), 1)
       and last > $1 and seq <= $2
     order by seq limit $3`,
  ),
  /** For each of some streams the units with versions above one and up to another. */
  streamUnits: named(
    "stream-units",
    `select n.place, u.seq, l.body
     from unnest($1::text[], $2::integer[], $3::integer[]) with ordinality n (stream, after, until, place),
       lateral (
         select s.base + f.first as seq
         from larder.streams s, unnest(s.firsts) f (first)
         where s.stream = n.stream and s.version > n.after and s.version <= coalesce((
           select e.version from larder.streams e where e.stream = n.stream and e.version >= n.until order by e.version limit 1
         ), n.until)
         offset 0
       ) u,
       lateral (select log.body from larder.log where log.seq = u.seq offset 0) l
     order by n.place, u.seq`,
  ),
  versions: named(
    "versions",
    `select coalesce(v.version, 0) as version
     from unnest($1::text[]) with ordinality n (stream, place)
       left join lateral (
         select s.version from larder.streams s where s.stream = n.stream order by s.version desc limit 1
       ) v on true
     order by n.place`,
  ),
  claims: named("claims", "select key, print::text as print, seq from larder.claims where key = any ($1::uuid[])"),
  tagged: named(
    "tagged",
    `select u.seq
     from (
       select base, firsts from larder.tags where tag = $1 and base < $2 order by base desc limit $3::bigint + 1
     ) t, lateral (select t.base + f as seq from unnest(t.firsts) f) u
     where u.seq < $2 order by u.seq desc limit $3`,
  ),
  commands: named(
    "commands",
    `select cmd, min(seq) as seq from larder.log
     where seq >= coalesce((select seq from larder.log where seq <= $2::bigint + 1 order by seq desc limit 1), 1)
       and last > $2 and cmd = any ($1::text[])
     group by cmd`,
  ),
  sequenceAt: named("sequence-at", "select larder.sequence_at($1) as seq"),
  giveUp: named("give-up", "select larder.give_up($1, $2)"),
  /** Null lets it be as it is, by a write that is as durable as any other. No row where the log goes on in another epoch. */
  pause: named(
    "pause",
    "update larder.head set paused = coalesce($1::boolean, paused) where epoch = $2 returning paused",
  ),
  endTurn: named("end-turn", "select larder.end_turn()"),
  now: named("now", "select larder.now_ms() as now"),
  measure: named(
    "measure",
    `select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint as bytes
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'larder' and c.relkind = 'r'`,
  ),
} as const;

/** Units of others that come along with an answer; what is more is read page by page. */
export const newsMax = 1000;

/** How the log stands, whole. */
export const metaStatement = `
  select (select value from larder.settings where key = 'store') as "storeId",
    (select json_agg(json_build_object('number', number, 'id', id, 'startsAfter', starts_after) order by number)::text
     from larder.epochs) as epochs,
    seq, at, paused, tagging
  from larder.head`;

/** As `statements.news`, as part of a query of several statements, which takes no values. */
export function newsAfter(known: Sequence): string {
  return news(String(known), String(newsMax));
}

function news(known: string, most: string): string {
  return `select h.seq as base, h.at, larder.now_ms() as now, h.paused, h.epoch,
       (select string_agg(l.body, E'\n' order by l.seq)
        from (select * from larder.log where log.seq > ${known} order by log.seq limit ${most}) l) as news
     from larder.head h`;
}

function named(name: string, text: string): Statement {
  return { name: `larder-${name}`, text };
}
