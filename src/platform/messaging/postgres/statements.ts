/** What is asked of the server: calls of the functions in migrations/, and plain reads. */
import type { Statement } from "../../postgres/index.ts";

const dead = `
  select d.number, q.name as queue, d.id, d.key, d.cause, d.given_up, d.attempts, d.redrives, d.sent_at, d.first_at,
    d.dead_at, d.causes, m.headers, m.body
  from larder.queue_dead d
  join larder.queue q on q.number = d.queue
  join larder.queue_message m on m.queue = d.queue and m.place = d.place`;
const ofQueue = "d.queue = (select x.number from larder.queue x where x.name = $3)";

export const statements = {
  declare: named("declare", "select larder.queue_declare($1, $2, $3, $4, $5, $6) as done"),
  remove: named("remove", "select larder.queue_remove($1)"),
  queues: named("queues", "select q.name from larder.queue q order by q.number"),
  subscribe: named(
    "subscribe",
    `with q as (select number from larder.queue where name = $2),
       added as (insert into larder.queue_subscription (topic, queue) select $1, number from q on conflict do nothing)
     select number from q`,
  ),
  unsubscribe: named(
    "unsubscribe",
    `with q as (select number from larder.queue where name = $2),
       removed as (delete from larder.queue_subscription s using q where s.topic = $1 and s.queue = q.number)
     select number from q`,
  ),
  send: named("send", "select * from larder.queue_send($1, $2, $3, $4, $5, $6, $7, $8, $9)"),
  sendDead: named("send-dead", "select * from larder.queue_send_dead($1, $2, $3, $4, $5, $6, $7, $8, $9)"),
  receive: named("receive", "select * from larder.queue_receive($1, $2, $3, $4, $5, $6)"),
  settle: named("settle", "select * from larder.queue_settle($1, $2, $3, $4, $5, $6, $7)"),
  depth: named(
    "depth",
    `select q.name, q.waiting, q.dead,
       (select m.sent_at from larder.queue_message m
        where m.queue = q.number
          and (select 1 from larder.queue_dead d where d.queue = m.queue and d.place = m.place) is null
        order by m.place limit 1) as oldest_sent_at,
       (select d.dead_at from larder.queue_dead d where d.queue = q.number order by d.number limit 1) as oldest_dead_at
     from larder.queue q where q.name = any($1::text[])`,
  ),
  // A commit of its own, which need not be synced: those that notify wait for one another until they are committed.
  notify: named(
    "notify",
    `select set_config('synchronous_commit', 'off', true), pg_notify('larder_queue', u.queue)
     from unnest($1::text[]) u(queue)`,
  ),
  deadNewest: named("dead-newest", `${dead} where d.number < $1 order by d.number desc limit $2`),
  deadOldest: named("dead-oldest", `${dead} where d.number > $1 order by d.number limit $2`),
  deadNewestOf: named("dead-newest-of", `${dead} where ${ofQueue} and d.number < $1 order by d.number desc limit $2`),
  deadOldestOf: named("dead-oldest-of", `${dead} where ${ofQueue} and d.number > $1 order by d.number limit $2`),
  deadOne: named("dead-one", `${dead} where d.number = $1`),
  record: named("record", "select * from larder.queue_record r where r.number = $1"),
  endDead: named("end-dead", "select * from larder.queue_end_dead($1, $2, $3, $4)"),
  newestDead: named(
    "newest-dead",
    `select max(d.number) as number from larder.queue_dead d
     where d.queue = (select q.number from larder.queue q where q.name = $1)`,
  ),
  redrive: named("redrive", "select larder.queue_redrive($1, $2, $3, $4, $5) as count"),
} as const;

function named(name: string, text: string): Statement {
  return { name: `queue-${name}`, text };
}
