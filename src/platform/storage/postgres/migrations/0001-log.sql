-- The log of units and what guards it (docs/adr/0023-the-log-in-postgresql.md).

-- One row: where the log ends, and what every process that appends has to agree on.
CREATE TABLE larder.head (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  seq bigint NOT NULL,           -- the last event
  at bigint NOT NULL,            -- when the last unit was recorded, in milliseconds since 1970
  epoch integer NOT NULL,        -- the number of the current epoch
  paused boolean NOT NULL,       -- whether everything outgoing waits
  tagging integer                -- the version of the tags in larder.tags; null before the first process has come
) WITH (fillfactor = 10);

CREATE TABLE larder.epochs (
  number integer PRIMARY KEY,
  id uuid NOT NULL,
  starts_after bigint NOT NULL
);

CREATE TABLE larder.settings (key text PRIMARY KEY, value text NOT NULL);

-- One row for each unit, under the sequence of its first event. Rows are only ever inserted.
CREATE TABLE larder.log (
  seq bigint PRIMARY KEY,
  last bigint NOT NULL,          -- the sequence of its last event
  at bigint NOT NULL,
  cmd text NOT NULL,
  body text NOT NULL
) PARTITION BY RANGE (seq);

-- Where the units of a stream are: one row for each append that added to it, under the version that it came to.
CREATE TABLE larder.streams (
  stream text COLLATE "C" NOT NULL,
  version integer NOT NULL,
  base bigint NOT NULL,          -- the last event before that append
  firsts integer[] NOT NULL,     -- the first events of its units, counted from there; ascending
  PRIMARY KEY (stream, version)
);

-- Names that were taken for ever.
CREATE TABLE larder.claims (
  key uuid PRIMARY KEY,
  print bigint NOT NULL,
  seq bigint NOT NULL            -- the unit that took it
);

-- What units are found by: one row for each append that added to a tag; members as in larder.streams.
CREATE TABLE larder.tags (
  tag bigint NOT NULL,
  base bigint NOT NULL,
  firsts integer[] NOT NULL,
  PRIMARY KEY (tag, base)
);

-- Attempts to append of unknown outcome that must not land any more: all of a writer up to this one.
CREATE TABLE larder.fences (
  writer uuid PRIMARY KEY,
  attempt bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);

-- How often a lease has changed hands.
CREATE TABLE larder.leases (name text PRIMARY KEY, token bigint NOT NULL);

INSERT INTO larder.head (seq, at, epoch, paused) VALUES (0, 0, 1, false);
INSERT INTO larder.epochs VALUES (1, gen_random_uuid(), 0);
INSERT INTO larder.settings VALUES ('store', gen_random_uuid()::text);

-- The store's clock, in milliseconds since 1970.
CREATE FUNCTION larder.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

-- Makes the parts of the log that hold the sequences up to `upto`, ten million each. Retention drops whole parts.
CREATE FUNCTION larder.make_parts(upto bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  step constant bigint := 10000000;
  part bigint;
  name text;
BEGIN
  PERFORM pg_advisory_xact_lock(1818325092, 2);
  FOR part IN 0 .. upto / step LOOP
    name := 'log_' || lpad(part::text, 6, '0');
    CONTINUE WHEN to_regclass('larder.' || name) IS NOT NULL;
    EXECUTE format('CREATE TABLE larder.%I (LIKE larder.log INCLUDING ALL)', name);
    -- Attaching, other than making a part in place, takes no lock that appends or reads wait for.
    EXECUTE format('ALTER TABLE larder.log ATTACH PARTITION larder.%I FOR VALUES FROM (%s) TO (%s)',
      name, part * step, (part + 1) * step);
  END LOOP;
END $$;

SELECT larder.make_parts(19999999);

-- Lets the caller's transaction, and no other, append: until it ends.
CREATE FUNCTION larder.lock() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- Without this each statement would go on seeing the log as it was before the lock was had.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'appending needs the isolation level "read committed"' USING ERRCODE = 'LD000';
  END IF;
  -- A weaker setting would acknowledge what is not on disk; a stronger one is left as it is.
  IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  PERFORM pg_advisory_xact_lock(1818325092, 1);
END $$;

-- Lets this session, and no other, append: until it ends the turn, or has been silent for so long that the server ends it.
CREATE FUNCTION larder.begin_turn(silence_ms_max integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_lock(1818325092, 1);
  PERFORM set_config('idle_session_timeout', silence_ms_max::text, false);
END $$;

-- A transaction of the session that appends keeps others out until it has ended.
CREATE FUNCTION larder.end_turn() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_unlock(1818325092, 1);
  PERFORM set_config('idle_session_timeout', '0', false);
END $$;

-- Appends units, if every stream has the version that it must have and no claim is taken: all of them, or none. Says what
-- others have appended after `known`, the end of a unit: its oldest units, at most `units_max`, one a line. Ends the turn that
-- the session has, if it says that it has one.
--
-- The caller has judged the units on these versions, so whether they are true is all that is left to say. Lists that are
-- texts have one entry a line. `firsts` and what refers to them count the events of the call from 1.
CREATE FUNCTION larder.append(
  known bigint, units_max integer, epoch integer, tagging integer, writer uuid, attempt bigint, turn boolean,
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

  appended := units > 0 AND moved IS NULL AND claimed IS NULL;
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

-- Gives up the attempts of a writer up to one, whose outcome it does not know: when this has ended they have been appended,
-- or never will be.
CREATE FUNCTION larder.give_up(writer uuid, attempt bigint) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
  PERFORM larder.lock();
  DELETE FROM larder.fences f WHERE f.at < now() - interval '1 day';
  INSERT INTO larder.fences AS f (writer, attempt) VALUES (writer, attempt)
    ON CONFLICT ON CONSTRAINT fences_pkey DO UPDATE SET attempt = greatest(f.attempt, excluded.attempt), at = now();
END $$;

-- The last event that was recorded at or before an instant; 0 when there is none. Times never run backwards along the log, so it is
-- searched by halves.
CREATE FUNCTION larder.sequence_at(instant bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  found bigint := 0;
  beyond bigint;
  unit record;
BEGIN
  SELECT head.seq + 1 INTO beyond FROM larder.head;
  WHILE found + 1 < beyond LOOP
    SELECT log.seq, log.last, log.at INTO unit FROM larder.log
      WHERE log.seq <= (found + beyond) / 2 ORDER BY log.seq DESC LIMIT 1;
    IF unit.seq IS NULL THEN
      beyond := (found + beyond) / 2;
    ELSIF unit.at <= instant THEN
      found := greatest(unit.last, found);
    ELSE
      beyond := unit.seq;
    END IF;
  END LOOP;
  RETURN found;
END $$;

-- Begins a new epoch, with everything outgoing paused: for whoever has brought the database back to an earlier point. No Larder may
-- run meanwhile.
CREATE FUNCTION larder.begin_epoch() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  h larder.head;
BEGIN
  PERFORM larder.lock();
  UPDATE larder.head SET epoch = head.epoch + 1, paused = true RETURNING * INTO h;
  INSERT INTO larder.epochs (number, id, starts_after) VALUES (h.epoch, gen_random_uuid(), h.seq);
  RETURN h.epoch;
END $$;
