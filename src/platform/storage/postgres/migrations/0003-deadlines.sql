-- Units may have to be recorded before an instant (docs/adr/0031-calls-with-a-deadline.md). The function of 0001 stays, for processes
-- that have not been restarted since they were of the version before: with two parameters less it is another one.

-- Appends units, if every stream has the version that it must have, no claim is taken and it is not too late: all of them, or none. Says what
-- others have appended after `known`, the end of a unit: its oldest units, at most `units_max`, one a line. Ends the turn that
-- the session has, if it says that it has one.
--
-- It is too late when the log's last unit was recorded at `before` or after, or when the server's clock has come to `deadline` (null: never).
-- The lock is had then, so what is appended before a deadline is seen by whoever has the lock after it.
--
-- The caller has judged the units on these versions, so whether they are true is all that is left to say. Lists that are
-- texts have one entry a line. `firsts` and what refers to them count the events of the call from 1.
CREATE FUNCTION larder.append(
  known bigint, units_max integer, epoch integer, tagging integer, writer uuid, attempt bigint, turn boolean, before bigint, deadline bigint,
  streams text, bases integer[], taken uuid[], taken_prints bigint[], taken_firsts integer[], free uuid[],
  firsts integer[], counts integer[], ats bigint[], commands text, bodies text,
  added text, added_versions integer[], added_firsts text, tags bigint[], tag_firsts text,
  OUT appended boolean, OUT base bigint, OUT at bigint, OUT now bigint, OUT paused boolean,
  OUT moved bigint[], OUT moved_versions integer[], OUT claimed uuid[], OUT news text
) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  h larder.head;
  units integer := cardinality(firsts);
BEGIN
  PERFORM larder.lock();
  IF turn THEN
    PERFORM larder.end_turn();
  END IF;
  SELECT * INTO h FROM larder.head;
  base := h.seq;
  at := h.at;
  now := larder.now_ms();
  paused := h.paused;
  IF h.epoch <> epoch THEN
    RAISE EXCEPTION 'the log goes on in epoch %', h.epoch USING ERRCODE = 'LD001';
  ELSIF h.tagging <> tagging THEN
    RAISE EXCEPTION 'units are tagged by version %', h.tagging USING ERRCODE = 'LD002';
  ELSIF EXISTS (SELECT FROM larder.fences f WHERE f.writer = append.writer AND f.attempt >= append.attempt) THEN
    RAISE EXCEPTION 'this attempt was given up' USING ERRCODE = 'LD003';
  ELSIF ats[units] > greatest(h.at, now + 1000) THEN
    RAISE EXCEPTION 'the recording time is % ms ahead of the store''s clock', ats[units] - now USING ERRCODE = 'LD004';
  END IF;

  SELECT array_agg(e.place), array_agg(v.version) INTO moved, moved_versions
  FROM ROWS FROM (string_to_table(streams, E'\n'), unnest(bases)) WITH ORDINALITY AS e (stream, base, place),
    LATERAL (
      SELECT coalesce((
        SELECT s.version FROM larder.streams s WHERE s.stream = e.stream ORDER BY s.version DESC LIMIT 1
      ), 0) AS version OFFSET 0
    ) v
  WHERE v.version <> e.base;
  IF cardinality(taken) > 0 OR cardinality(free) > 0 THEN
    SELECT array_agg(c.key) INTO claimed FROM larder.claims c WHERE c.key = ANY (taken || free);
  END IF;
  IF h.seq > known THEN
    SELECT string_agg(l.body, E'\n' ORDER BY l.seq) INTO news
    FROM (SELECT * FROM larder.log WHERE log.seq > known AND log.seq <= h.seq ORDER BY log.seq LIMIT units_max) l;
  END IF;

  appended := units > 0 AND moved IS NULL AND claimed IS NULL
    AND (before IS NULL OR h.at < before) AND (deadline IS NULL OR now < deadline);
  IF NOT appended THEN
    RETURN;
  END IF;

  -- A recording time that would run backwards is raised; the text of a unit begins with it.
  INSERT INTO larder.log (seq, last, at, cmd, body)
  SELECT h.seq + u.first, h.seq + u.first + u.count - 1, greatest(u.at, h.at), u.cmd,
    CASE WHEN u.at >= h.at THEN u.body ELSE '{"at":' || h.at || substr(u.body, strpos(u.body, ',')) END
  FROM ROWS FROM (unnest(firsts, counts, ats), string_to_table(commands, E'\n'), string_to_table(bodies, E'\n'))
    AS u (first, count, at, cmd, body);

  INSERT INTO larder.streams (stream, version, base, firsts)
  SELECT s.stream, s.version, h.seq, s.firsts::integer[]
  FROM ROWS FROM (string_to_table(added, E'\n'), unnest(added_versions), string_to_table(added_firsts, E'\n'))
    AS s (stream, version, firsts);

  IF cardinality(taken) > 0 THEN
    INSERT INTO larder.claims (key, print, seq)
    SELECT c.key, c.print, h.seq + c.first FROM unnest(taken, taken_prints, taken_firsts) AS c (key, print, first);
  END IF;

  IF cardinality(tags) > 0 THEN
    INSERT INTO larder.tags (tag, base, firsts)
    SELECT t.tag, h.seq, t.firsts::integer[]
    FROM ROWS FROM (unnest(tags), string_to_table(tag_firsts, E'\n')) AS t (tag, firsts);
  END IF;

  UPDATE larder.head SET seq = h.seq + firsts[units] + counts[units] - 1, at = greatest(h.at, ats[units]);
  PERFORM pg_notify('larder_log', writer::text);
END $$;
