-- Queues. Whoever changes what a queue holds, or how much, locks the queue's row first, so that all of it happens one
-- after another; of several queues that of the least number first. No lock outlives the one statement that a client
-- sends, so a client that is paused holds up nobody.
--
-- Texts are as the client wrote them (texts.ts), times are milliseconds since 1970.

create table larder.queue (
  number bigint generated always as identity primary key,
  name text collate "C" not null unique,
  deduplication_ms bigint not null,
  attempts_max int not null,
  depth_max bigint not null,
  -- The place of the next message.
  next bigint not null default 1,
  waiting bigint not null default 0,
  dead bigint not null default 0,
  -- No turn of the queue is due before this: so that nobody who looks for the first reads through what is left in the
  -- index, until the next vacuum, of all that were before it.
  first_due bigint not null default 0
) with (fillfactor = 20, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);

create table larder.queue_subscription (
  topic text collate "C" not null,
  queue bigint not null references larder.queue on delete cascade,
  primary key (topic, queue)
);
create index queue_subscription_queue on larder.queue_subscription (queue);

-- What was sent and has not ended, dead letters among it; written once.
create table larder.queue_message (
  queue bigint not null,
  place bigint not null,
  id text collate "C" not null,
  key text collate "C",
  headers text not null,
  body text not null,
  sent_at bigint not null,
  not_before bigint not null,
  -- Of a message that was redriven.
  redrives int not null default 0,
  causes jsonb,
  primary key (queue, place)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
create index queue_message_key on larder.queue_message (queue, key, place) where key is not null;

-- Those whose turn it is: the first of each key, unless it is a dead letter, and all without one. A token says that it
-- is leased until `due`.
create table larder.queue_turn (
  queue bigint not null,
  place bigint not null,
  due bigint not null,
  token bigint,
  attempts int not null default 0,
  first_at bigint,
  causes jsonb,
  primary key (queue, place)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
create index queue_turn_due on larder.queue_turn (queue, due, place);

-- Ids that have no effect when they are sent again: until a time, and for as long as the message is there.
create table larder.queue_known (
  queue bigint not null,
  id text collate "C" not null,
  place bigint not null,
  until bigint not null,
  primary key (queue, id)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
create index queue_known_until on larder.queue_known (queue, until);

create table larder.queue_dead (
  number bigint generated always as identity primary key,
  queue bigint not null,
  place bigint not null,
  id text collate "C" not null,
  key text collate "C",
  cause text not null,
  -- By the queue, because it had had all its attempts; `cause` is that of the last.
  given_up boolean not null,
  attempts int not null,
  redrives int not null,
  sent_at bigint not null,
  first_at bigint not null,
  dead_at bigint not null,
  causes jsonb not null,
  unique (queue, place)
);
create index queue_dead_queue on larder.queue_dead (queue, number);

-- What became of dead letters.
create table larder.queue_record (
  number bigint primary key,
  position bigint generated always as identity unique,
  queue text not null,
  id text not null,
  key text,
  cause text not null,
  given_up boolean not null,
  attempts int not null,
  ended text not null,
  reason text,
  ended_at bigint not null
);

create sequence larder.queue_token;

-- The time that was given, or the store's own.
create function larder.queue_now(given bigint) returns bigint language sql volatile as $$
  select coalesce(given, (extract(epoch from clock_timestamp()) * 1000)::bigint)
$$;

-- Locks queues by their numbers, and waits for them, the least first.
create function larder.queue_lock(numbers bigint[]) returns void language plpgsql as $$
begin
  perform 1 from larder.queue q where q.number = any(numbers) order by q.number for no key update;
end $$;

-- The causes of failed attempts with one more, at most 20 (limits.attemptCausesMax).
create function larder.queue_causes(causes jsonb, attempt int, at bigint, cause text) returns jsonb
language plpgsql immutable as $$
declare
  longer jsonb := coalesce(causes, '[]') || jsonb_build_object('attempt', attempt, 'at', at, 'cause', cause);
begin
  while jsonb_array_length(longer) > 20 loop longer := longer - 0; end loop;
  return longer;
end $$;

-- Keeps `first_due` right when something gets a turn: it may have waited behind another of its key for long.
create function larder.queue_due(p_queue bigint, p_due bigint) returns void language sql volatile as $$
  update larder.queue q set first_due = p_due where q.number = p_queue and q.first_due > p_due
$$;

-- Makes a queue, or gives one that is there other settings; false when there are too many.
create function larder.queue_declare(
  p_name text, p_deduplication_ms bigint, p_attempts_max int, p_depth_max bigint, p_queues_max int
) returns boolean language plpgsql as $$
begin
  -- One after another, so that they can be counted.
  perform pg_advisory_xact_lock('larder.queue'::regclass::oid::int, 0);
  if (select count(*) from larder.queue q where q.name <> p_name) >= p_queues_max then return false; end if;
  insert into larder.queue (name, deduplication_ms, attempts_max, depth_max)
  values (p_name, p_deduplication_ms, p_attempts_max, p_depth_max)
  on conflict (name) do update
  set deduplication_ms = p_deduplication_ms, attempts_max = p_attempts_max, depth_max = p_depth_max;
  return true;
end $$;

create function larder.queue_remove(p_name text) returns void language plpgsql as $$
declare
  n bigint;
begin
  select q.number into n from larder.queue q where q.name = p_name for update;
  if n is null then return; end if;
  delete from larder.queue_turn t where t.queue = n;
  delete from larder.queue_message m where m.queue = n;
  delete from larder.queue_known k where k.queue = n;
  delete from larder.queue_dead d where d.queue = n;
  delete from larder.queue q where q.number = n;
end $$;

-- Puts messages into queues, all of them or, when one of the queues has no room, none: then it names that queue. Which
-- request goes to which queue is told in pairs; the caller has locked the queues. Ids that are known have no effect.
--
-- Look-ups are scalar subqueries so that each is one of an index, whatever the planner knows of the tables.
create function larder.queue_put(
  p_now bigint, t_request int[], t_queue bigint[],
  m_request int[], m_id text[], m_key text[], m_headers text[], m_body text[], m_delay bigint[]
) returns bigint language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  full_queue bigint;
begin
  with message as materialized (
    select u.* from unnest(m_request, m_id, m_key, m_headers, m_body, m_delay)
      with ordinality u(request, id, key, headers, body, delay, ord)
  ), sent as (
    select t.queue, m.*, row_number() over (partition by t.queue, m.id order by m.ord) as nth
    from unnest(t_request, t_queue) t(request, queue) join message m on m.request = t.request
  ), fresh as materialized (
    select s.*, row_number() over (partition by s.queue order by s.ord) as nth_of_queue,
      row_number() over (partition by s.queue, s.key order by s.ord) as nth_of_key
    from sent s
    where s.nth = 1 and (
      select 1 from larder.queue_known k
      where k.queue = s.queue and k.id = s.id and (
        k.until > p_now
        or (select 1 from larder.queue_message x where x.queue = k.queue and x.place = k.place) is not null
      )
    ) is null
  ), added as materialized (
    select f.queue, count(*) as count from fresh f group by f.queue
  ), beyond as materialized (
    select a.queue from added a join larder.queue q on q.number = a.queue
    where a.count > q.depth_max - q.waiting - q.dead limit 1
  ), placed as materialized (
    select f.*, q.next + f.nth_of_queue - 1 as place, p_now + q.deduplication_ms as until, p_now + f.delay as due
    from fresh f join larder.queue q on q.number = f.queue
    where (select 1 from beyond) is null
  ), learnt as (
    insert into larder.queue_known as k (queue, id, place, until) select p.queue, p.id, p.place, p.until from placed p
    on conflict (queue, id) do update set place = excluded.place, until = excluded.until
  ), kept as (
    insert into larder.queue_message (queue, place, id, key, headers, body, sent_at, not_before)
    select p.queue, p.place, p.id, p.key, p.headers, p.body, p_now, p.due from placed p
  ), given as (
    insert into larder.queue_turn (queue, place, due)
    select p.queue, p.place, p.due from placed p
    where p.key is null or (p.nth_of_key = 1
      and (select 1 from larder.queue_message x where x.queue = p.queue and x.key = p.key limit 1) is null)
  ), counted as (
    update larder.queue q
    set next = q.next + a.count, waiting = q.waiting + a.count, first_due = least(q.first_due, p_now)
    from added a where q.number = a.queue and (select 1 from beyond) is null
  )
  select b.queue into full_queue from beyond b;
  return full_queue;
end $$;

-- Forgets some ids of a queue whose time has passed; those of messages that are still there are kept for an hour more.
create function larder.queue_forget(p_queue bigint, p_now bigint, p_count int) returns void
language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  passed tid[];
begin
  passed := array(
    select k.ctid from larder.queue_known k where k.queue = p_queue and k.until <= p_now order by k.until limit p_count
  );
  if cardinality(passed) = 0 then return; end if;
  delete from larder.queue_known k
  where k.ctid = any(passed)
    and (select 1 from larder.queue_message m where m.queue = k.queue and m.place = k.place) is null;
  update larder.queue_known k set until = p_now + 3600000 where k.ctid = any(passed);
end $$;

-- Sends what several requests ask for: each to a queue or to a topic. Tells what became of a request: `sent`, with the
-- queues; `full`, with the one that is, and its room; `undeclared`. One to a queue that is not told of was sent.
create function larder.queue_send(
  p_now bigint, r_queue text[], r_topic text[],
  m_request int[], m_id text[], m_key text[], m_headers text[], m_body text[], m_delay bigint[]
) returns table (request int, outcome text, queues text[], room bigint) language plpgsql as $$
declare
  v_now bigint;
  numbers bigint[];
  t_request int[];
  t_queue bigint[];
  own bigint[];
  full_queue bigint;
  n bigint;
begin
  numbers := array(
    select q.number from larder.queue q where q.name = any(r_queue)
    union select s.queue from larder.queue_subscription s where s.topic = any(r_topic)
  );
  perform larder.queue_lock(numbers);
  v_now := larder.queue_now(p_now);
  select array_agg(t.request), array_agg(t.number) into t_request, t_queue from (
    select r.ord::int as request, q.number
    from unnest(r_queue) with ordinality r(queue, ord) join larder.queue q on q.name = r.queue
    union all
    select r.ord::int, s.queue
    from unnest(r_topic) with ordinality r(topic, ord) join larder.queue_subscription s on s.topic = r.topic
    where s.queue = any(numbers)
  ) t;
  if larder.queue_put(v_now, t_request, t_queue, m_request, m_id, m_key, m_headers, m_body, m_delay) is null then
    return query
      select r.ord::int, 'undeclared', '{}'::text[], null::bigint from unnest(r_queue) with ordinality r(queue, ord)
      where r.queue is not null and (select q.number from larder.queue q where q.name = r.queue) is null;
    return query
      select r.ord::int, 'sent', array(
          select q.name from larder.queue_subscription s join larder.queue q on q.number = s.queue
          where s.topic = r.topic and s.queue = any(numbers)
        ), null::bigint
      from unnest(r_topic) with ordinality r(topic, ord) where r.topic is not null;
  else
    -- One of them is full: each request by itself.
    for r in 1 .. cardinality(r_queue) loop
      request := r;
      room := null;
      own := array(select t.queue from unnest(t_request, t_queue) t(request, queue) where t.request = r);
      queues := array(select q.name from larder.queue q where q.number = any(own));
      outcome := case when r_queue[r] is not null and cardinality(own) = 0 then 'undeclared' else 'sent' end;
      full_queue := larder.queue_put(
        v_now, array_fill(r, array[cardinality(own)]), own, m_request, m_id, m_key, m_headers, m_body, m_delay);
      if full_queue is not null then
        outcome := 'full';
        select array[q.name], q.depth_max - q.waiting - q.dead into queues, room
        from larder.queue q where q.number = full_queue;
      end if;
      return next;
    end loop;
  end if;
  foreach n in array numbers loop
    perform larder.queue_forget(n, v_now, 100 + 2 * cardinality(m_id));
  end loop;
end $$;

-- Makes a dead letter of a message whose turn it is. It stays where it is, so that those of its key behind it wait,
-- unless it gives the key up. The caller has locked the queue.
create function larder.queue_bury(
  p_queue bigint, p_place bigint, p_cause text, p_given_up boolean, p_causes jsonb, p_frees_key boolean, p_now bigint
) returns void language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  former text;
begin
  select m.key into former from larder.queue_message m where m.queue = p_queue and m.place = p_place;
  if p_frees_key then
    update larder.queue_message m set key = null where m.queue = p_queue and m.place = p_place;
  end if;
  insert into larder.queue_dead (
    queue, place, id, key, cause, given_up, attempts, redrives, sent_at, first_at, dead_at, causes)
  select m.queue, m.place, m.id, m.key, p_cause, p_given_up, t.attempts, m.redrives, m.sent_at,
    coalesce(t.first_at, p_now), p_now, p_causes
  from larder.queue_message m, larder.queue_turn t
  where m.queue = p_queue and m.place = p_place and t.queue = p_queue and t.place = p_place;
  delete from larder.queue_turn t where t.queue = p_queue and t.place = p_place;
  update larder.queue q set waiting = q.waiting - 1, dead = q.dead + 1 where q.number = p_queue;
  if p_frees_key and former is not null then perform larder.queue_promote(p_queue, former, p_place); end if;
end $$;

-- Gives its turn to the first message of a key behind a place; none when that is a dead letter.
create function larder.queue_promote(p_queue bigint, p_key text, p_behind bigint) returns void
language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  due_from bigint;
begin
  insert into larder.queue_turn (queue, place, due, causes)
  select m.queue, m.place, m.not_before, m.causes
  from larder.queue_message m
  where m.queue = p_queue and m.place = (
    select x.place from larder.queue_message x
    where x.queue = p_queue and x.key = p_key and x.place > p_behind order by x.place limit 1
  ) and (select 1 from larder.queue_dead d where d.queue = m.queue and d.place = m.place) is null
  returning due into due_from;
  if found then perform larder.queue_due(p_queue, due_from); end if;
end $$;

-- Sends a message that is a dead letter from the beginning; as `queue_send` for one.
create function larder.queue_send_dead(
  p_now bigint, p_queue text, p_id text, p_key text, p_headers text, p_body text,
  p_cause text, p_attempts int, p_first_at bigint
) returns table (outcome text, room bigint) language plpgsql as $$
declare
  v_now bigint;
  n bigint;
  at_place bigint;
begin
  select q.number into n from larder.queue q where q.name = p_queue for no key update;
  outcome := 'undeclared';
  if n is null then return next; return; end if;
  v_now := larder.queue_now(p_now);
  select q.next into at_place from larder.queue q where q.number = n;
  outcome := 'full';
  if larder.queue_put(v_now, array[1], array[n], array[1], array[p_id], array[p_key], array[p_headers], array[p_body],
    array[0::bigint]) is not null then
    select q.depth_max - q.waiting - q.dead into room from larder.queue q where q.number = n;
    return next;
    return;
  end if;
  outcome := 'sent';
  if exists (select 1 from larder.queue_message m where m.queue = n and m.place = at_place) then
    insert into larder.queue_turn (queue, place, due, attempts, first_at)
    values (n, at_place, v_now, p_attempts, coalesce(p_first_at, v_now))
    on conflict (queue, place) do update set attempts = excluded.attempts, first_at = excluded.first_at;
    perform larder.queue_bury(
      n, at_place, p_cause, false, larder.queue_causes(null, p_attempts, v_now, p_cause), false, v_now);
  end if;
  return next;
end $$;

-- Leases messages for several requests, those first that have been due for longest. A request that gets fewer than it
-- asked for has a row without a message at the end, which tells when to come again (`next_due`; null: when something is
-- sent), and whether the queue is not there (`undeclared`). `now` is the time by which all of it was judged.
create function larder.queue_receive(
  p_now bigint, r_queue text[], r_max int[], r_lease bigint[], p_unanswered text
) returns table (
  request int, now bigint, undeclared boolean, next_due bigint, id text, key text, token bigint, headers text, body text,
  attempts int, sent_at bigint, first_at bigint, leased_until bigint
) language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan as $$
declare
  r record;
  late record;
  buried int;
  found_late boolean;
  given int;
  taken bigint;
begin
  for r in
    select u.ord::int as ord, u.queue as name, u.max, u.lease, q.number, q.attempts_max, q.first_due
    from unnest(r_queue, r_max, r_lease) with ordinality u(queue, max, lease, ord)
    left join larder.queue q on q.name = u.queue order by q.number, u.ord
  loop
    request := r.ord;
    now := larder.queue_now(p_now);
    undeclared := r.number is null;
    given := 0;
    select t.due into next_due from larder.queue q cross join lateral (
      select x.due from larder.queue_turn x where x.queue = q.number and x.due >= q.first_due order by x.due limit 1
    ) t where q.number = r.number;
    -- Whoever finds nothing has locked nothing and written nothing.
    if next_due <= now then
      perform larder.queue_lock(array[r.number]);
      now := larder.queue_now(p_now);
      select q.first_due into r.first_due from larder.queue q where q.number = r.number;
      buried := 0;
      loop
        -- Those that have had all their attempts make room for others, but one call does not go on for ever.
        found_late := false;
        for late in
          select d.* from (
            select t.place, t.attempts, t.token, t.causes from larder.queue_turn t
            where t.queue = r.number and t.due between r.first_due and now order by t.due, t.place limit r.max
          ) d where d.attempts >= r.attempts_max
        loop
          found_late := true;
          buried := buried + 1;
          if late.token is not null then
            late.causes := larder.queue_causes(late.causes, late.attempts, now, p_unanswered);
          end if;
          perform larder.queue_bury(
            r.number, late.place, coalesce(late.causes -> -1 ->> 'cause', p_unanswered), true,
            coalesce(late.causes, '[]'), false, now);
        end loop;
        exit when not found_late or buried >= 1000;
      end loop;
      return query
        with due as materialized (
          select t.ctid as tid, t.place, t.due from larder.queue_turn t
          where t.queue = r.number and t.due between r.first_due and now order by t.due, t.place limit r.max
        ), leased as (
          update larder.queue_turn t set token = nextval('larder.queue_token'), attempts = t.attempts + 1,
            due = now + r.lease, first_at = coalesce(t.first_at, now),
            causes = case when t.token is null then t.causes
              else larder.queue_causes(t.causes, t.attempts, now, p_unanswered) end
          from due d where t.ctid = d.tid and t.attempts < r.attempts_max
          returning t.place, t.token, t.attempts, t.first_at, t.due, d.due as was_due
        )
        select r.ord, now, false, null::bigint, m.id, m.key, l.token, m.headers, m.body, l.attempts, m.sent_at,
          l.first_at, l.due
        from leased l
        cross join lateral (
          select x.id, x.key, x.headers, x.body, x.sent_at from larder.queue_message x
          where x.queue = r.number and x.place = l.place offset 0
        ) m
        order by l.was_due, l.place;
      get diagnostics given = row_count;
      if given < r.max then
        -- What is left is due later, but for those that could not be buried at once.
        if buried < 1000 and r.first_due < now - 100 then
          update larder.queue q set first_due = now where q.number = r.number;
          r.first_due := now;
        end if;
        select t.due into next_due from larder.queue_turn t
        where t.queue = r.number and t.due >= r.first_due order by t.due limit 1;
      elsif buried < 1000 then
        select t.due into taken from larder.queue_turn t
        where t.queue = r.number and t.due >= r.first_due order by t.due limit 1;
        update larder.queue q set first_due = taken where q.number = r.number and q.first_due < taken - 100;
      end if;
    end if;
    if given < r.max then return next; end if;
  end loop;
end $$;

-- Takes answers to leases: `acknowledge`, `extend` and `retry` (by so many milliseconds), `dead`, `dead-and-free` (it
-- gives up its key), or `look`. Tells which leases held; null when the queue is not there. They are synced lazily: what
-- a loss of power takes of them is delivered again.
create function larder.queue_settle(
  p_now bigint, a_act text[], a_queue text[], a_id text[], a_token bigint[], a_ms bigint[], a_cause text[]
) returns table (answer int, held boolean) language plpgsql
set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  v_now bigint;
  wanted record;
  turn record;
  acknowledged int[];
begin
  perform set_config('synchronous_commit', 'off', true);
  perform larder.queue_lock(array(select q.number from larder.queue q where q.name = any(a_queue)));
  v_now := larder.queue_now(p_now);
  with held as materialized (
    select distinct on (q.number, k.place) u.ord::int as ord, q.number as queue, k.place, t.tid as turn_tid,
      m.tid as message_tid, m.key
    from unnest(a_act, a_queue, a_id, a_token) with ordinality u(act, queue, id, token, ord)
    join larder.queue q on q.name = u.queue
    cross join lateral (
      select x.place from larder.queue_known x where x.queue = q.number and x.id = u.id offset 0
    ) k
    cross join lateral (
      select x.ctid as tid from larder.queue_turn x
      where x.queue = q.number and x.place = k.place and x.token = u.token and x.due > v_now offset 0
    ) t
    cross join lateral (
      select x.ctid as tid, x.key from larder.queue_message x where x.queue = q.number and x.place = k.place offset 0
    ) m
    where u.act = 'acknowledge'
    order by q.number, k.place, u.ord
  ), ended as (
    delete from larder.queue_turn x where x.ctid = any(array(select h.turn_tid from held h))
  ), removed as (
    delete from larder.queue_message x where x.ctid = any(array(select h.message_tid from held h))
  ), promoted as (
    insert into larder.queue_turn as x (queue, place, due, causes)
    select h.queue, n.place, n.not_before, n.causes
    from held h
    cross join lateral (
      select x.place, x.not_before, x.causes from larder.queue_message x
      where x.queue = h.queue and x.key = h.key and x.place > h.place order by x.place limit 1
    ) n
    where (select 1 from larder.queue_dead d where d.queue = h.queue and d.place = n.place) is null
    returning x.queue, x.due
  ), counted as (
    update larder.queue q set waiting = q.waiting - c.count, first_due = least(q.first_due, c.due)
    from (
      select h.queue, count(*) as count, (select min(p.due) from promoted p where p.queue = h.queue) as due
      from held h group by h.queue
    ) c where q.number = c.queue
  )
  select array_agg(h.ord) into acknowledged from held h;
  return query select h.ord, true from unnest(acknowledged) h(ord);
  return query
    select u.ord::int, null::boolean from unnest(a_queue) with ordinality u(queue, ord)
    where (select q.number from larder.queue q where q.name = u.queue) is null;

  -- The others are few.
  for wanted in
    select u.ord::int as ord, u.act, u.id, u.token, u.ms, u.cause, q.number, q.attempts_max
    from unnest(a_act, a_queue, a_id, a_token, a_ms, a_cause) with ordinality u(act, queue, id, token, ms, cause, ord)
    join larder.queue q on q.name = u.queue
    where u.act <> 'acknowledge' order by u.ord
  loop
    select x.place, x.attempts, x.causes into turn
    from larder.queue_known k join larder.queue_turn x on x.queue = k.queue and x.place = k.place
    where k.queue = wanted.number and k.id = wanted.id and x.token = wanted.token and x.due > v_now;
    continue when not found;
    perform larder.queue_due(wanted.number, v_now);
    if wanted.act = 'extend' then
      update larder.queue_turn x set due = v_now + wanted.ms where x.queue = wanted.number and x.place = turn.place;
    elsif wanted.act = 'retry' and turn.attempts < wanted.attempts_max then
      update larder.queue_turn x set due = v_now + wanted.ms, token = null,
        causes = larder.queue_causes(turn.causes, turn.attempts, v_now, wanted.cause)
      where x.queue = wanted.number and x.place = turn.place;
    elsif wanted.act <> 'look' then
      perform larder.queue_bury(wanted.number, turn.place, wanted.cause, wanted.act = 'retry',
        larder.queue_causes(turn.causes, turn.attempts, v_now, wanted.cause), wanted.act = 'dead-and-free', v_now);
    end if;
    answer := wanted.ord;
    held := true;
    return next;
  end loop;
end $$;

-- Ends a dead letter: redriven it waits for its turn again, at its old place; discarded it is gone. Tells what became
-- of it, and the queue that may have something to give now.
create function larder.queue_end_dead(
  p_now bigint, p_number bigint, p_reason text, p_records_max int, out outcome text, out queue text
) language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  d larder.queue_dead;
  v_now bigint;
  head bigint;
begin
  select x.* into d from larder.queue_dead x where x.number = p_number;
  if found then
    perform larder.queue_lock(array[d.queue]);
    -- Another may have ended it meanwhile.
    select x.* into d from larder.queue_dead x where x.number = p_number;
  end if;
  if d.number is null then
    outcome := case when exists (select 1 from larder.queue_record r where r.number = p_number)
      then 'ended-before' else 'unknown' end;
    return;
  end if;
  outcome := 'done';
  v_now := larder.queue_now(p_now);
  select q.name into queue from larder.queue q where q.number = d.queue;
  delete from larder.queue_dead x where x.number = p_number;
  insert into larder.queue_record (number, queue, id, key, cause, given_up, attempts, ended, reason, ended_at)
  values (d.number, queue, d.id, d.key, d.cause, d.given_up, d.attempts,
    case when p_reason is null then 'redriven' else 'discarded' end, p_reason, v_now);
  delete from larder.queue_record r
  where r.position <= (select x.position from larder.queue_record x order by x.position desc offset p_records_max limit 1);
  if p_reason is not null then
    delete from larder.queue_message m where m.queue = d.queue and m.place = d.place;
    update larder.queue q set dead = q.dead - 1 where q.number = d.queue;
    if d.key is null then return; end if;
  else
    update larder.queue_message m set not_before = v_now, redrives = d.redrives + 1, causes = d.causes
    where m.queue = d.queue and m.place = d.place;
    update larder.queue q set dead = q.dead - 1, waiting = q.waiting + 1 where q.number = d.queue;
    if d.key is null then
      insert into larder.queue_turn (queue, place, due, causes) values (d.queue, d.place, v_now, d.causes);
      perform larder.queue_due(d.queue, v_now);
      return;
    end if;
  end if;
  -- The first of its key has the turn; another one may have it already, where this one came behind it.
  select m.place into head from larder.queue_message m
  where m.queue = d.queue and m.key = d.key order by m.place limit 1;
  if head is not null and not exists (select 1 from larder.queue_turn t where t.queue = d.queue and t.place = head) then
    perform larder.queue_promote(d.queue, d.key, head - 1);
  end if;
end $$;

-- Redrives the dead letters of a queue up to a number, the oldest first and so many at most; tells how many.
create function larder.queue_redrive(
  p_now bigint, p_queue text, p_up_to bigint, p_count int, p_records_max int
) returns int language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  n bigint;
  redriven int := 0;
  d record;
begin
  select q.number into n from larder.queue q where q.name = p_queue for no key update;
  for d in
    select x.number from larder.queue_dead x where x.queue = n and x.number <= p_up_to order by x.number limit p_count
  loop
    perform larder.queue_end_dead(p_now, d.number, null, p_records_max);
    redriven := redriven + 1;
  end loop;
  return redriven;
end $$;
