-- From a tick to a recorded result: one transaction writes the run, its samples, uptime and the alert state.

-- The shape of one result; the schema speaks the words of the refusal.
create function watchkeeper.result_schema() returns jsonb
language sql immutable set search_path = '' as $$
  select '{
    "type": "object", "additionalProperties": false, "required": ["check_id", "due_at", "outcome", "started_at", "finished_at"],
    "properties": {
      "check_id": {"type": "string", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"},
      "due_at": {"$ref": "#/$defs/time"}, "started_at": {"$ref": "#/$defs/time"}, "finished_at": {"$ref": "#/$defs/time"},
      "outcome": {"enum": ["ok", "fail", "unknown"]},
      "reason": {"type": ["string", "null"], "maxLength": 2000},
      "region": {"type": ["string", "null"], "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"},
      "blind_threshold": {"type": "integer", "minimum": 1, "maximum": 1000},
      "samples": {"type": "array", "maxItems": 100, "items": {
        "type": "object", "additionalProperties": false, "required": ["name", "value"], "properties": {
          "name": {"type": "string", "minLength": 1, "maxLength": 100},
          "value": {"type": ["number", "string"], "maxLength": 100, "pattern": "^[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d{1,2})?$"},
          "unit": {"type": ["string", "null"], "minLength": 1, "maxLength": 40},
          "severity": {"enum": ["info", "warning", "critical"]}}}},
      "findings": {"type": "array", "maxItems": 100, "items": {
        "type": "object", "additionalProperties": false, "required": ["alert_type", "state", "severity", "message"], "properties": {
          "alert_type": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,59}$"},
          "state": {"enum": ["breach", "clear", "unknown"]},
          "severity": {"enum": ["info", "warning", "error", "critical"]},
          "message": {"type": "string", "minLength": 1, "maxLength": 2000},
          "failure_threshold": {"type": "integer", "minimum": 1, "maximum": 1000},
          "success_threshold": {"type": "integer", "minimum": 1, "maximum": 1000}}}},
      "uptime": {"type": ["object", "null"], "additionalProperties": false, "required": ["service_name", "endpoint", "is_up"], "properties": {
        "service_name": {"type": "string", "minLength": 1, "maxLength": 100},
        "endpoint": {"type": "string", "minLength": 1, "maxLength": 2000},
        "status_code": {"type": ["integer", "null"], "minimum": 100, "maximum": 999},
        "response_time_ms": {"type": ["number", "null"], "minimum": 0, "exclusiveMaximum": 1000000000},
        "is_up": {"type": ["boolean", "null"]},
        "error_message": {"type": ["string", "null"], "maxLength": 2000}}}},
    "$defs": {"time": {"type": "string", "maxLength": 40, "pattern": "^20[2-9]\\d-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,9})?(Z|[+-]\\d\\d:?\\d\\d)$"}}
  }'::jsonb
$$;

create function watchkeeper.need_time(argument text, value text, latest timestamptz) returns timestamptz
language plpgsql stable set search_path = '' as $$
declare
  moment timestamptz;
begin
  begin
    moment := value::timestamptz;
  exception when data_exception then
    perform watchkeeper.refuse(argument, format('must be a time (is %s)', left(value, 40)));
  end;
  if moment > latest then
    perform watchkeeper.refuse(argument, format('must not be in the future (is %s)', moment));
  end if;
  return moment;
end
$$;

create function watchkeeper.need_result(argument text, given jsonb, at timestamptz) returns void
language plpgsql stable set search_path = '' as $$
declare
  finished_at timestamptz;
begin
  perform watchkeeper.need_fit(argument, given, watchkeeper.result_schema());
  perform watchkeeper.need_finite(format('%s.samples[%s].value', argument, e.n - 1), (e.sample ->> 'value')::numeric)
  from jsonb_array_elements(given -> 'samples') with ordinality as e (sample, n) order by e.n;
  -- One word on each rule: two would open and close its alert in one breath.
  perform watchkeeper.refuse(format('%s.findings[%s].alert_type', argument, e.n - 1),
    case when e.alert_type = 'blind' then 'blind is for the database to find' else format('%s is there twice', e.alert_type) end)
  from (
    select f.finding ->> 'alert_type' as alert_type, f.n, row_number() over (partition by f.finding ->> 'alert_type' order by f.n) as nth
    from jsonb_array_elements(given -> 'findings') with ordinality as f (finding, n)
  ) as e
  where e.alert_type = 'blind' or e.nth > 1;
  -- Two minutes: a slot is claimed a minute ahead, and the worker's clock is not ours.
  perform watchkeeper.need_time(argument || '.due_at', given ->> 'due_at', at + interval '2 minutes');
  finished_at := watchkeeper.need_time(argument || '.finished_at', given ->> 'finished_at', at + interval '2 minutes');
  if watchkeeper.need_time(argument || '.started_at', given ->> 'started_at', at + interval '2 minutes') > finished_at then
    perform watchkeeper.refuse(argument || '.started_at', 'must not be after finished_at');
  end if;
  if given ->> 'outcome' <> 'ok' and coalesce(given ->> 'reason', '') = '' then
    perform watchkeeper.refuse(argument || '.reason', format('is needed when the outcome is %s', given ->> 'outcome'));
  end if;
end
$$;

create function watchkeeper.threshold(given jsonb) returns integer
language sql immutable set search_path = '' as $$
  select case jsonb_typeof(given) when 'number' then least(greatest(given::numeric, 1), 1000)::integer end
$$;

-- The newest slot whose result moved the check's state.
create function watchkeeper.last_due_at(check_id uuid) returns timestamptz
language sql stable security definer set search_path = '' as $$
  select coalesce((select s.last_due_at from watchkeeper.check_states as s where s.check_id = last_due_at.check_id), '-infinity')
$$;

-- Moves the check's state and its alerts by one outcome. Returns the transitions.
create function watchkeeper.apply_outcome(
  target watchkeeper.targets, check_row watchkeeper.checks, result jsonb, observed_at timestamptz, at timestamptz
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  transitions jsonb := '[]';
  transition jsonb;
  finding jsonb;
  new_outcome text := result ->> 'outcome';
begin
  insert into watchkeeper.check_states as s (check_id, outcome, reason) values (check_row.id, new_outcome, result ->> 'reason')
  on conflict (check_id) do update set outcome = excluded.outcome, reason = excluded.reason;
  perform watchkeeper.note_availability(check_row, new_outcome, observed_at, at);

  -- What this result did not tell is not known any more; the value keeps its age.
  update watchkeeper.latest_values as l set known = false
  where l.check_id = check_row.id and l.known
    and not coalesce(result -> 'samples', '[]') @> jsonb_build_array(jsonb_build_object('name', l.metric_name));

  for finding in
    select f from jsonb_array_elements(coalesce(result -> 'findings', '[]')) as f
    union all
    select watchkeeper.blind_finding(new_outcome, result ->> 'reason', coalesce(
      watchkeeper.threshold(result -> 'blind_threshold'), watchkeeper.threshold(check_row.params -> 'blind_threshold'), 3))
  loop
    transition := watchkeeper.apply_finding(target, check_row, finding, observed_at, at);
    if transition ->> 'transition' = 'fired' then
      update public.system_alerts as a
      set due_at = (result ->> 'due_at')::timestamptz, observed_at = apply_outcome.observed_at
      where a.id = (transition ->> 'alert_id')::uuid;
    end if;
    if transition is not null then
      transitions := transitions || transition;
    end if;
  end loop;

  -- A rule that a judged result no longer mentions was switched off: it must not hold its alert open for ever.
  if new_outcome <> 'unknown' then
    delete from watchkeeper.rule_states as r
    where r.check_id = check_row.id and r.alert_type <> 'blind'
      and not coalesce(result -> 'findings', '[]') @> jsonb_build_array(jsonb_build_object('alert_type', r.alert_type));
    if found then
      transitions := transitions || watchkeeper.close_orphaned_alerts(target.id, 'the rule was switched off', at);
    end if;
  end if;
  return transitions;
end
$$;

create function watchkeeper.record_samples(check_row watchkeeper.checks, result jsonb, observed_at timestamptz, newest boolean) returns void
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.system_health_metrics (target_id, metric_name, metric_value, metric_unit, severity, metadata, recorded_at)
  select check_row.target_id, s ->> 'name', (s ->> 'value')::numeric, s ->> 'unit', coalesce(s ->> 'severity', 'info'),
    jsonb_strip_nulls(jsonb_build_object('kind', check_row.kind, 'region', result -> 'region')), observed_at
  from jsonb_array_elements(coalesce(result -> 'samples', '[]')) as s;
  if newest then
    perform watchkeeper.keep_latest_value(check_row.id, s.name, s.value, s.unit, s.severity, observed_at)
    from (
      select distinct on (e.s ->> 'name') e.s ->> 'name' as name, (e.s ->> 'value')::numeric as value,
        e.s ->> 'unit' as unit, coalesce(e.s ->> 'severity', 'info') as severity
      from jsonb_array_elements(coalesce(result -> 'samples', '[]')) with ordinality as e (s, n)
      order by e.s ->> 'name', e.n desc
    ) as s;
  end if;
  if jsonb_typeof(result -> 'uptime') = 'object' then
    insert into public.uptime_checks
      (target_id, service_name, endpoint, status_code, response_time_ms, is_up, error_message, checked_at)
    select check_row.target_id, u ->> 'service_name', u ->> 'endpoint', (u ->> 'status_code')::numeric::integer,
      (u ->> 'response_time_ms')::numeric, (u ->> 'is_up')::boolean, u ->> 'error_message', observed_at
    from (select result -> 'uptime' as u) as reading;
  end if;
end
$$;

-- rewrote: of what time the record of availability may have changed.
create type watchkeeper.recording as (verdict text, transitions jsonb, rewrote tstzrange);

-- Records a slot's one result. verdict: recorded | late | repeated | dropped. The target's row is locked by the caller.
create function watchkeeper.record_run(result jsonb, at timestamptz) returns watchkeeper.recording
language plpgsql security definer set search_path = '' as $$
declare
  check_row watchkeeper.checks;
  target watchkeeper.targets;
  run watchkeeper.runs;
  slot timestamptz := (result ->> 'due_at')::timestamptz;
  observed_at timestamptz := least((result ->> 'finished_at')::timestamptz, at);
  newest boolean;
  rewrote tstzrange;
  transitions jsonb := '[]';
begin
  select c.* into check_row from watchkeeper.checks as c where c.id = (result ->> 'check_id')::uuid;
  select r.* into run from watchkeeper.runs as r where r.check_id = check_row.id and r.due_at = slot;
  if run.check_id is null then
    return ('dropped', '[]'::jsonb, null)::watchkeeper.recording;
  elsif run.outcome is not null and not run.missed then
    return ('repeated', '[]'::jsonb, null)::watchkeeper.recording;
  end if;
  select t.* into target from watchkeeper.targets as t where t.id = check_row.target_id;
  -- A missed slot did not move last_due_at, so its own result, though late, may still be the newest evidence; but what
  -- was seen so long ago that it says nothing of now opens and closes no alert.
  newest := slot > watchkeeper.last_due_at(check_row.id) and check_row.enabled and not target.paused
    and observed_at > at - watchkeeper.stale_after(check_row.interval_s, check_row.timeout_s);

  update watchkeeper.runs as r
  set outcome = result ->> 'outcome', reason = left(result ->> 'reason', 2000), missed = false, late = run.missed or not newest,
    started_at = least((result ->> 'started_at')::timestamptz, observed_at), finished_at = observed_at, recorded_at = at,
    speaks_s = extract(epoch from watchkeeper.stale_after(check_row.interval_s, check_row.timeout_s))
  where r.check_id = run.check_id and r.due_at = run.due_at;
  perform watchkeeper.record_samples(check_row, result, observed_at, newest);
  if not target.paused and (run.missed or not newest or observed_at < at - interval '30 minutes' or observed_at < (
    select coalesce(a.until_at, a.last_seen_at) from watchkeeper.availability_spans as a
    where a.target_id = target.id order by a.from_at desc, a.id desc limit 1
  )) then
    rewrote := watchkeeper.note_late_availability(check_row, result ->> 'outcome', observed_at);
  end if;
  if newest then
    transitions := watchkeeper.apply_outcome(target, check_row, result, observed_at, at);
    update watchkeeper.check_states as s set last_due_at = slot, last_run_at = observed_at where s.check_id = check_row.id;
  end if;
  return (case when newest then 'recorded' else 'late' end, transitions, rewrote)::watchkeeper.recording;
end
$$;

-- Recordings that touch one target wait for each other, in one order, so that the last rule to clear sees the others.
-- Without enable_seqscan, for the reason that stands at watchkeeper.ancestors.
create function watchkeeper.lock_targets(check_ids uuid[]) returns void
language sql security definer set search_path = '' set enable_seqscan = off as $$
  select from (
    select from watchkeeper.targets as t
    where t.id in (select c.target_id from watchkeeper.checks as c where c.id = any (check_ids))
    order by t.id
    for no key update
  ) as locked
$$;

-- Whoever takes several alerts takes their targets first, as recording does: so nobody waits in a circle.
create function watchkeeper.lock_targets_of(alert_ids uuid[]) returns void
language sql security definer set search_path = '' as $$
  select from (
    select from watchkeeper.targets as t
    where t.id in (select a.target_id from public.system_alerts as a where a.id = any (alert_ids))
    order by t.id
    for no key update
  ) as locked
$$;

-- May one of the results concern a day that is rolled up? A day is, an hour after its end.
create function watchkeeper.tells_of_the_past(results jsonb, at timestamptz) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select from jsonb_array_elements(results) as r join watchkeeper.checks as c on c.id = (r ->> 'check_id')::uuid
    where (r ->> 'finished_at')::timestamptz - watchkeeper.stale_after(c.interval_s, c.timeout_s) < tells_of_the_past.at - interval '30 minutes'
  )
$$;

-- A result may say of which walk it is. That is no part of what was measured: whatever it is, it costs no result.
create function watchkeeper.record_check_results(results jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  began timestamptz := clock_timestamp();
  recording watchkeeper.recording;
  transitions jsonb := '[]';
  counts jsonb := '{"recorded": 0, "late": 0, "repeated": 0, "dropped": 0}';
  result jsonb;
  kept jsonb[] := '{}';
  rewritten jsonb := '[]';
begin
  perform watchkeeper.need_list('results', results, 1000, 8000000);
  perform watchkeeper.need_result(format('results[%s]', e.n - 1),
    case when jsonb_typeof(e.result) = 'object' then e.result - 'correlation_id' else e.result end, at)
  from jsonb_array_elements(results) with ordinality as e (result, n) order by e.n;

  -- Nobody closes a month or rolls up a day while it is rewritten.
  if watchkeeper.tells_of_the_past(results, at) then
    perform pg_advisory_xact_lock_shared(hashtext('watchkeeper.close_months'));
    perform from watchkeeper.roll_ups for share;
  end if;
  perform watchkeeper.lock_targets(array(select (r ->> 'check_id')::uuid from jsonb_array_elements(results) as r));
  for result in select r from jsonb_array_elements(results) as r order by (r ->> 'due_at')::timestamptz loop
    perform set_config('watchkeeper.correlation_id', left(coalesce(result ->> 'correlation_id', ''), 100), true);
    recording := watchkeeper.record_one(result, at);
    transitions := transitions || recording.transitions;
    counts := jsonb_set(counts, array[recording.verdict], to_jsonb((counts ->> recording.verdict)::integer + 1));
    if recording.verdict in ('recorded', 'late') then
      kept := array_append(kept, result);
    end if;
    if recording.rewrote is not null then
      rewritten := rewritten || jsonb_build_object('check_id', result -> 'check_id', 'from', lower(recording.rewrote), 'to', upper(recording.rewrote));
    end if;
  end loop;
  perform set_config('watchkeeper.correlation_id', '', true);
  perform watchkeeper.roll_up_again(d.target_id, d.day, at)
  from (
    select distinct c.target_id, day::date as day
    from jsonb_to_recordset(rewritten) as w (check_id uuid, "from" timestamptz, "to" timestamptz)
    join watchkeeper.checks as c on c.id = w.check_id
    cross join lateral generate_series(date_trunc('day', w."from" at time zone 'UTC'), w."to" at time zone 'UTC', interval '1 day') as day
    where day::date < watchkeeper.rolled_up_to() and watchkeeper.utc_midnight(day::date) >= watchkeeper.open_since()
  ) as d;
  perform watchkeeper.benchmark_recording(kept, began, at);
  return counts || jsonb_build_object('transitions', transitions);
end
$$;

-- A slot that was claimed and never recorded: its message or its function died, or too few regions answered. It counts as
-- unknown and the check is due again at once, unless a newer slot is on its way. Returns the number of slots marked.
create function watchkeeper.mark_missed(at timestamptz) returns integer
language plpgsql security definer set search_path = '' as $$
declare
  run record;
  check_row watchkeeper.checks;
  target watchkeeper.targets;
  marked integer := 0;
  why text;
  -- Slots from before a standstill of the monitor itself: `blind_since` told of it, and no target is to blame.
  standstill boolean := coalesce((select m.last_tick_at < at - interval '150 seconds' from watchkeeper.monitor as m), false);
begin
  for run in
    select r.check_id, r.due_at, c.target_id from watchkeeper.runs as r
    join watchkeeper.checks as c on c.id = r.check_id join watchkeeper.targets as t on t.id = c.target_id
    where r.outcome is null and r.due_at < at - watchkeeper.slot_time(c.timeout_s, t.regions)
    order by c.target_id, r.due_at limit 5000
  loop
    -- Whoever holds the target is recording it now; the next tick looks again.
    select t.* into target from watchkeeper.targets as t where t.id = run.target_id for no key update skip locked;
    continue when target.id is null;
    why := 'missed: ' || case when target.regions is null then 'claimed, but no result came back in time'
      else watchkeeper.who_answered(target, run.check_id, run.due_at) end;
    update watchkeeper.runs as r
    set outcome = 'unknown', missed = true, recorded_at = at, reason = why
    where r.check_id = run.check_id and r.due_at = run.due_at and r.outcome is null;
    continue when not found;
    marked := marked + 1;
    select c.* into check_row from watchkeeper.checks as c where c.id = run.check_id;
    if run.due_at > watchkeeper.last_due_at(run.check_id) and check_row.enabled and not target.paused then
      if not standstill then
        perform watchkeeper.apply_outcome(target, check_row, jsonb_build_object('outcome', 'unknown', 'reason', why), run.due_at, at);
      end if;
      update watchkeeper.checks as c set next_due_at = least(c.next_due_at, at)
      where c.id = check_row.id and not exists (
        select from watchkeeper.runs as r where r.check_id = c.id and r.due_at > run.due_at and r.outcome is null
      );
    end if;
  end loop;
  return marked;
end
$$;

create function watchkeeper.claim_due_checks(at timestamptz, horizon_s integer, region text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  probes jsonb;
  slots jsonb;
  votes jsonb := '[]';
begin
  perform watchkeeper.need_between('horizon_s', horizon_s, 1, 900);
  if region !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$' then
    perform watchkeeper.refuse('region', 'must be up to 40 letters, digits, dots, dashes and underscores');
  end if;
  perform watchkeeper.settle_votes(at);
  perform watchkeeper.mark_missed(at);
  update watchkeeper.monitor as m set last_tick_at = greatest(m.last_tick_at, at);
  if region is not null then
    insert into watchkeeper.regions as r (name, first_seen_at, last_tick_at) values (region, at, at)
    on conflict (name) do update set last_tick_at = greatest(r.last_tick_at, at);
  end if;
  probes := watchkeeper.claim_probes(at);
  slots := watchkeeper.claim_slots(at, horizon_s, 10000, region);
  if exists (select from watchkeeper.targets as t where t.regions is not null) then
    votes := watchkeeper.claim_votes(at, 10000, region);
  end if;
  return probes || slots || votes;
end
$$;

-- Two minutes, because a tick may come anywhere in its minute: with one, those that are late lose slots of 30 s checks.
create function public.claim_due_checks(horizon_s integer default 120, region text default null) returns jsonb
language sql set search_path = '' as 'select watchkeeper.claim_due_checks(now(), horizon_s, region)';

create function public.record_check_results(results jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.record_check_results(results, now())';

grant execute on function
  watchkeeper.claim_due_checks(timestamptz, integer, text), public.claim_due_checks(integer, text),
  watchkeeper.record_check_results(jsonb, timestamptz), public.record_check_results(jsonb)
to service_role;
