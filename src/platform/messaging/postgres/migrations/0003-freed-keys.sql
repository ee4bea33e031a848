-- Whether a message that had all its attempts gives up its key, so that those behind it go on.
alter table larder.queue add column frees_key_when_given_up boolean not null default false;

-- Beside the one of five arguments, by which processes of the version before declare their queues and leave this as it is.
create function larder.queue_declare(
  p_name text, p_deduplication_ms bigint, p_attempts_max int, p_depth_max bigint, p_queues_max int,
  p_frees_key_when_given_up boolean
) returns boolean language plpgsql as $$
begin
  if not larder.queue_declare(p_name, p_deduplication_ms, p_attempts_max, p_depth_max, p_queues_max) then
    return false;
  end if;
  update larder.queue q set frees_key_when_given_up = p_frees_key_when_given_up where q.name = p_name;
  return true;
end $$;

-- As before, but for what the queue gives up.
create or replace function larder.queue_bury(
  p_queue bigint, p_place bigint, p_cause text, p_given_up boolean, p_causes jsonb, p_frees_key boolean, p_now bigint
) returns void language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  former text;
  frees_key boolean;
begin
  select p_frees_key or (p_given_up and q.frees_key_when_given_up) into frees_key
  from larder.queue q where q.number = p_queue;
  select m.key into former from larder.queue_message m where m.queue = p_queue and m.place = p_place;
  if frees_key then
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
  if frees_key and former is not null then perform larder.queue_promote(p_queue, former, p_place); end if;
end $$;
