-- An id whose time has passed is known only while its message is there. Such ids are looked at again after an hour: until then
-- their time stands below zero, where it had been moved on before, so that they were known for an hour after their messages had gone.
create or replace function larder.queue_forget(p_queue bigint, p_now bigint, p_count int) returns void
language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  passed tid[];
begin
  passed := array(
    (select k.ctid from larder.queue_known k
      where k.queue = p_queue and k.until between 0 and p_now order by k.until limit p_count)
    union all
    (select k.ctid from larder.queue_known k
      where k.queue = p_queue and k.until between -p_now and -1 order by k.until limit p_count)
  );
  if cardinality(passed) = 0 then return; end if;
  delete from larder.queue_known k
  where k.ctid = any(passed)
    and (select 1 from larder.queue_message m where m.queue = k.queue and m.place = k.place) is null;
  update larder.queue_known k set until = -(p_now + 3600000) where k.ctid = any(passed);
end $$;
