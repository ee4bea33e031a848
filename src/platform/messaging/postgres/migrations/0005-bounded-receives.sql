-- Beside the one of five arguments, which processes of the version before call: what a request is given is bounded in bytes too.
-- It gets no more messages once their bodies have so many; null: as many as it asks for.
create function larder.queue_receive(
  p_now bigint, r_queue text[], r_max int[], r_lease bigint[], r_bytes bigint[], p_unanswered text
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
  fitting int;
  beyond int;
  taken bigint;
begin
  for r in
    select u.ord::int as ord, u.queue as name, u.max, u.lease, u.bytes, q.number, q.attempts_max, q.first_due
    from unnest(r_queue, r_max, r_lease, r_bytes) with ordinality u(queue, max, lease, bytes, ord)
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
      if r.bytes is not null then
        select count(*) filter (where s.before < r.bytes), count(*) filter (where s.before >= r.bytes)
        into fitting, beyond from (
          select sum(m.bytes) over (order by d.due, d.place) - m.bytes as before
          from (
            select t.place, t.due from larder.queue_turn t
            where t.queue = r.number and t.due between r.first_due and now order by t.due, t.place limit r.max
          ) d
          cross join lateral (
            select octet_length(x.body) as bytes from larder.queue_message x
            where x.queue = r.number and x.place = d.place offset 0
          ) m
        ) s;
        if beyond > 0 then r.max := fitting; end if;
      end if;
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
