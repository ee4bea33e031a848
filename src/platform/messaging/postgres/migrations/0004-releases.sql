-- As before, and with `release`: the message is due at once, as if it had not been given out.
create or replace function larder.queue_settle(
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
    elsif wanted.act = 'release' then
      update larder.queue_turn x set due = v_now, token = null, attempts = turn.attempts - 1
      where x.queue = wanted.number and x.place = turn.place;
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
