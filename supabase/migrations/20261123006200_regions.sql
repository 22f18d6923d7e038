-- Several regions: the same stack in n places, on one database. A slot is claimed once, by whichever region's tick comes
-- first. A target may demand that k regions agree: then each of them looks at each slot, and what they say together is the
-- slot's one result, which is recorded as any other. A region that went quiet says nothing: unknown, never ok.

create table watchkeeper.regions (
  name text primary key check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'),
  first_seen_at timestamptz not null,
  last_tick_at timestamptz not null
);
alter table watchkeeper.regions enable row level security;
-- A region comes by itself; who forgets it is a person.
create trigger audit after delete on watchkeeper.regions for each row execute function watchkeeper.audit('last_tick_at');

-- {agree, names}; without names it is all regions that tick
alter table watchkeeper.targets add column regions jsonb check (jsonb_typeof(regions) = 'object');
create index targets_by_agreement on watchkeeper.targets (id) where regions is not null;

-- Whose tick claimed it; where regions agree: whose look its samples are. Null: the stack did not say.
alter table watchkeeper.runs add column region text check (length(region) <= 40);

-- One region's look at one slot.
create table watchkeeper.votes (
  check_id uuid not null,
  due_at timestamptz not null,
  -- '': a stack that does not say where it is
  region text not null check (length(region) <= 40),
  claimed_at timestamptz not null,
  finished_at timestamptz,
  recorded_at timestamptz,
  outcome text check (outcome in ('ok', 'fail', 'unknown')),
  reason text check (length(reason) <= 2000),
  response_ms numeric check (response_ms >= 0 and response_ms < 1000000000),
  -- what it said in full, until the slot is decided
  result jsonb check (jsonb_typeof(result) = 'object'),
  primary key (check_id, due_at, region),
  foreign key (check_id, due_at) references watchkeeper.runs (check_id, due_at) on delete cascade,
  check ((outcome is null) = (recorded_at is null) and (outcome is null) = (finished_at is null))
);
alter table watchkeeper.votes enable row level security;
create index votes_newest on watchkeeper.votes (check_id, region, due_at desc) where recorded_at is not null;

-- What a target demands -------------------------------------------------------------------------------------------------

-- {regions: ...}, or {} if nothing is demanded, so that such a target reads as before.
create function watchkeeper.normal_regions(argument text, given jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  if jsonb_typeof(given) is distinct from 'object' then
    return '{}';
  end if;
  perform watchkeeper.refuse(format('%s.names[%s]', argument, e.n - 1), format('%s is there twice', e.name))
  from (
    select w.name, w.n, row_number() over (partition by w.name order by w.n) as nth
    from jsonb_array_elements_text(coalesce(nullif(given -> 'names', 'null'), '[]')) with ordinality as w (name, n)
  ) as e
  where e.nth > 1;
  if (given ->> 'agree')::numeric > jsonb_array_length(nullif(given -> 'names', 'null')) then
    perform watchkeeper.refuse(argument || '.agree', format('must not be more than the %s names (is %s)', jsonb_array_length(given -> 'names'), given ->> 'agree'));
  end if;
  return jsonb_build_object('regions', jsonb_strip_nulls(given || jsonb_build_object('agree', (given ->> 'agree')::numeric::integer)));
end
$$;

-- The target with its defaults filled in, or a refusal that names the wrong part.
create or replace function watchkeeper.normal_target(argument text, given jsonb, catalog jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  shape constant jsonb := '{"type": "object", "additionalProperties": false, "required": ["name"], "properties": {
    "id": {"type": "string", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"},
    "name": {"type": "string", "minLength": 1, "maxLength": 100},
    "chain": {"type": ["string", "null"]}, "network": {"type": ["string", "null"], "minLength": 1, "maxLength": 100},
    "endpoint": {"type": ["string", "null"]}, "settings": {"type": ["object", "null"]},
    "labels": {"type": ["object", "null"], "additionalProperties": {"type": "string", "maxLength": 200}},
    "depends_on": {"type": ["array", "null"], "maxItems": 20, "items": {"type": "string", "minLength": 1, "maxLength": 100}},
    "checks": {"type": ["object", "null"]}, "regions": {"type": ["object", "null"], "additionalProperties": false, "required": ["agree"], "properties": {
      "agree": {"type": "integer", "minimum": 1, "maximum": 9},
      "names": {"type": ["array", "null"], "minItems": 1, "maxItems": 9, "items": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"}}}}}}';
  chain text := given ->> 'chain';
  family jsonb;
  kinds jsonb;
  checks jsonb := '{}';
  kind text;
begin
  perform watchkeeper.need_json(argument, given, 'object', 100000);
  perform watchkeeper.need_fit(argument, given, shape);

  if given ->> 'name' ~ '^\s|\s$|[[:cntrl:]]' then
    perform watchkeeper.refuse(argument || '.name', 'must not begin or end with a space, nor hold control characters');
  end if;

  if chain is null then
    kinds := '["uptime"]';
  else
    perform watchkeeper.need_one_of(argument || '.chain', chain,
      (select array_agg(c order by c) from jsonb_object_keys(catalog -> 'chains') as c));
    family := catalog -> 'chains' -> chain;
    kinds := family -> 'kinds';
    perform watchkeeper.need_fit(argument || '.settings', coalesce(nullif(given -> 'settings', 'null'), '{}'), family -> 'settings_schema');
  end if;

  if given ->> 'endpoint' is not null then
    perform watchkeeper.need_endpoint(argument || '.endpoint', given ->> 'endpoint', chain, catalog ->> 'private_targets');
  elsif (family ->> 'needs_endpoint')::boolean then
    perform watchkeeper.refuse(argument || '.endpoint', format('is needed for chain %s', chain));
  end if;

  for kind in select k from jsonb_object_keys(coalesce(nullif(given -> 'checks', 'null'), '{}')) as k loop
    if not catalog -> 'checks' ? kind then
      perform watchkeeper.refuse(format('%s.checks.%s', argument, left(kind, 40)), format('is not a known check; known are %s',
        (select string_agg(k, ', ' order by k) from jsonb_object_keys(catalog -> 'checks') as k)));
    elsif not kinds ? kind then
      perform watchkeeper.refuse(format('%s.checks.%s', argument, kind), format('cannot work on %s; it offers %s',
        coalesce('chain ' || chain, 'a target without a chain'),
        (select string_agg(k, ', ') from jsonb_array_elements_text(kinds) as k)));
    elsif kind = 'uptime' and given ->> 'endpoint' is null and given #>> array['checks', kind, 'params', 'url'] is null then
      perform watchkeeper.refuse(argument || '.endpoint', 'is needed for the uptime check');
    end if;
    checks := checks || jsonb_build_object(kind,
      watchkeeper.normal_check(format('%s.checks.%s', argument, kind), kind, given -> 'checks' -> kind, catalog));
  end loop;

  return jsonb_build_object('id', given -> 'id', 'name', given -> 'name', 'chain', chain, 'network', given -> 'network',
    'endpoint', given -> 'endpoint', 'settings', coalesce(nullif(given -> 'settings', 'null'), '{}'),
    'labels', coalesce(nullif(given -> 'labels', 'null'), '{}'), 'checks', checks,
    'depends_on', (select coalesce(jsonb_agg(distinct d order by d), '[]')
      from jsonb_array_elements_text(coalesce(nullif(given -> 'depends_on', 'null'), '[]')) as d))
    || watchkeeper.normal_regions(argument || '.regions', given -> 'regions');
end
$$;

create or replace function watchkeeper.target_document(target watchkeeper.targets) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('id', target.id, 'name', target.name, 'chain', target.chain, 'network', target.network,
    'endpoint', target.endpoint, 'settings', target.settings, 'labels', target.labels, 'paused', target.paused,
    'depends_on', (
      select coalesce(jsonb_agg(p.name order by p.name), '[]')
      from watchkeeper.dependencies as d join watchkeeper.targets as p on p.id = d.parent_id where d.target_id = target.id
    ),
    'checks', (
      select coalesce(jsonb_object_agg(c.kind, jsonb_build_object('interval_s', c.interval_s, 'timeout_s', c.timeout_s,
        'enabled', c.enabled, 'params', c.params)), '{}')
      from watchkeeper.checks as c where c.target_id = target.id
    ))
    || case when target.regions is null then '{}' else jsonb_build_object('regions', target.regions) end
$$;

create or replace function watchkeeper.store_target(document jsonb, at timestamptz) returns watchkeeper.targets
language plpgsql security definer set search_path = '' as $$
declare
  target watchkeeper.targets;
begin
  if document ->> 'id' is not null then
    target := watchkeeper.target_of((document ->> 'id')::uuid, 'target.id');
    if exists (select from watchkeeper.targets as t where t.name = document ->> 'name' and t.id <> target.id) then
      raise sqlstate 'PT409' using message = format('target.name: another target is called %s', document ->> 'name');
    end if;
  else
    insert into watchkeeper.targets (name) values (document ->> 'name') on conflict (name) do nothing;
    select t.* into target from watchkeeper.targets as t where t.name = document ->> 'name' for no key update;
  end if;
  update watchkeeper.targets as t
  set name = document ->> 'name', chain = document ->> 'chain', network = document ->> 'network',
    endpoint = document ->> 'endpoint', settings = document -> 'settings', labels = document -> 'labels', regions = document -> 'regions',
    updated_at = at
  where t.id = target.id
  returning t.* into target;
  perform watchkeeper.save_checks(target.id, document -> 'checks', at);
  perform watchkeeper.close_orphaned_alerts(target.id, 'the check was removed or switched off', at);
  return target;
end
$$;

-- Who is there ----------------------------------------------------------------------------------------------------------

-- A tick is due every minute.
create function watchkeeper.is_quiet(last_tick_at timestamptz, at timestamptz) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(last_tick_at < at - interval '150 seconds', true)
$$;

-- The regions whose word the target wants.
create function watchkeeper.wanted_regions(regions jsonb) returns table (name text, last_tick_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select w.name, r.last_tick_at
  from jsonb_array_elements_text(regions -> 'names') as w (name) left join watchkeeper.regions as r on r.name = w.name
  union all
  select r.name, r.last_tick_at from watchkeeper.regions as r where not regions ? 'names'
$$;

-- How long after it is due a slot may be recorded. The other regions learn of it at their next tick, a minute later.
create function watchkeeper.slot_time(timeout_s integer, regions jsonb) returns interval
language sql immutable set search_path = '' as $$
  select make_interval(secs => timeout_s + case when regions is null then 45 else 105 end)
$$;

-- Deciding --------------------------------------------------------------------------------------------------------------

-- What the regions say together, once it is certain whatever those say whose look is still awaited: breach if k say so,
-- clear if k could tell and not even with those that could not k might say breach, else unknown. Null: not certain yet.
create function watchkeeper.agreed(agree integer, breach bigint, clear bigint, untold bigint, awaited bigint) returns text
language sql immutable set search_path = '' as $$
  select case
    when breach >= agree then 'breach'
    when breach + untold + awaited < agree and breach + clear >= agree then 'clear'
    when breach + awaited < agree and not (breach + untold < agree and breach + clear + awaited >= agree) then 'unknown'
  end
$$;

-- Each wanted region with its look at the slot. `awaited`: it may still come. After the slot's time only a look that was
-- begun may: its result waits in a spool.
create function watchkeeper.votes_on(
  target watchkeeper.targets, check_id uuid, due_at timestamptz, is_over boolean, at timestamptz
) returns table (region text, outcome text, result jsonb, awaited boolean)
language sql stable security definer set search_path = '' as $$
  select coalesce(w.name, v.region), v.outcome, v.result,
    v.recorded_at is null and case when is_over then v.region is not null
      when w.name is null then true else not watchkeeper.is_quiet(w.last_tick_at, at) end
  from watchkeeper.wanted_regions(target.regions) as w
  full join (
    select x.* from watchkeeper.votes as x where x.check_id = votes_on.check_id and x.due_at = votes_on.due_at
  ) as v on v.region = w.name
  where w.name is not null or not target.regions ? 'names'
$$;

-- "1 of 2 regions answered, no word from eu-central-1; us-east-1 says fail: HTTP 503"
create function watchkeeper.who_answered(target watchkeeper.targets, check_id uuid, due_at timestamptz) returns text
language sql stable security definer set search_path = '' as $$
  select left(format('%s of %s regions answered', count(*) filter (where v.outcome <> 'unknown'),
      greatest(count(*), (target.regions ->> 'agree')::integer))
    || coalesce(', no word from ' || string_agg(v.region, ', ' order by v.region) filter (where v.outcome is null), '')
    || coalesce('; ' || string_agg(format('%s says %s', v.region, v.outcome || coalesce(': ' || left(v.result ->> 'reason', 200), '')), ', ' order by v.region)
      filter (where v.outcome is not null), ''), 1900)
  from watchkeeper.votes_on(target, who_answered.check_id, who_answered.due_at, true, null) as v
$$;

-- The regions' findings as one each, or null if one is not certain yet. Each rule is counted by itself. A rule of which
-- fewer than k regions speak, as while a new version is deployed, is left out.
create function watchkeeper.agreed_findings(agree integer, results jsonb, regions bigint, awaited bigint) returns jsonb
language sql immutable set search_path = '' as $$
  with said as (
    select r.region, f.finding, f.finding ->> 'alert_type' as alert_type, f.finding ->> 'state' as state
    from jsonb_each(results) as r (region, result)
    cross join jsonb_array_elements(coalesce(r.result -> 'findings', '[]')) as f (finding)
  ),
  counted as (
    select s.alert_type, count(*) as told, count(*) filter (where s.state = 'breach') as breach,
      string_agg(s.region, ', ' order by s.region) filter (where s.state = 'breach') as breaching,
      watchkeeper.agreed(agree, count(*) filter (where s.state = 'breach'), count(*) filter (where s.state = 'clear'),
        regions - awaited - count(*) filter (where s.state <> 'unknown'), awaited) as state
    from said as s group by s.alert_type
  ),
  agreed as (
    select c.*, word.finding from counted as c
    cross join lateral (
      select s.finding from said as s where s.alert_type = c.alert_type
      order by s.state = c.state desc, watchkeeper.severity_rank(s.finding ->> 'severity') desc, s.region limit 1
    ) as word
    where c.told >= agree
  )
  select case
    when exists (select from counted as c where c.told + awaited >= agree and (c.told < agree or c.state is null) and awaited > 0) then null
    else (
      select coalesce(jsonb_agg(a.finding || jsonb_build_object('state', a.state, 'message', case a.state
        when 'breach' then format('%s (%s of %s regions: %s)', left(a.finding ->> 'message', 1500), a.breach, regions, a.breaching)
        when 'clear' then a.finding ->> 'message' else 'the regions do not agree' end) order by a.alert_type), '[]')
      from agreed as a
    ) end
$$;

-- The slot's one result, or null while it depends on looks that are awaited. Whatever the order in which they come, it is
-- the same: with k looks still awaited these might speak of a rule that nobody spoke of yet, so it is not certain before.
-- Samples are those of one region, the first by name of those that say what all say together.
create function watchkeeper.agreed_result(
  target watchkeeper.targets, check_id uuid, due_at timestamptz, is_over boolean, final boolean, at timestamptz
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  agree constant integer := target.regions ->> 'agree';
  votes record;
  findings jsonb;
  outcome text;
  reason text;
  spokesman jsonb;
begin
  select count(*) as regions, count(*) filter (where v.awaited and not final) as awaited,
    count(*) filter (where v.outcome = 'fail') as fail, count(*) filter (where v.outcome = 'ok') as ok,
    string_agg(v.region, ', ' order by v.region) filter (where v.outcome = 'fail') as failing,
    coalesce(jsonb_object_agg(v.region, v.result) filter (where v.result is not null), '{}') as results
  into votes
  from watchkeeper.votes_on(target, agreed_result.check_id, agreed_result.due_at, is_over, at) as v;
  if votes.awaited >= agree then
    return null;
  end if;
  outcome := case watchkeeper.agreed(agree, votes.fail, votes.ok, votes.regions - votes.awaited - votes.fail - votes.ok, votes.awaited)
    when 'breach' then 'fail' when 'clear' then 'ok' when 'unknown' then 'unknown' end;
  findings := watchkeeper.agreed_findings(agree, votes.results, votes.regions, votes.awaited);
  -- Nothing is won by being certain early that it is unknown, and another may still bring numbers.
  if outcome is null or findings is null or (outcome = 'unknown' and votes.awaited > 0) then
    return null;
  end if;

  select r.result || jsonb_build_object('region', r.region) into spokesman from jsonb_each(votes.results) as r (region, result)
  order by r.result ->> 'outcome' <> 'unknown' desc, r.result ->> 'outcome' = outcome desc, r.region limit 1;
  reason := case outcome when 'fail' then format('%s (%s of %s regions: %s)', left(spokesman ->> 'reason', 1500), votes.fail, votes.regions, votes.failing)
    when 'unknown' then watchkeeper.who_answered(target, check_id, due_at) end;
  if spokesman ->> 'outcome' <> outcome and jsonb_typeof(spokesman -> 'uptime') = 'object' then
    spokesman := jsonb_set(spokesman, '{uptime}', spokesman -> 'uptime' || jsonb_build_object('is_up', null, 'error_message', reason));
  end if;
  return spokesman || jsonb_build_object('outcome', outcome, 'reason', reason, 'findings', findings);
end
$$;

-- Recording -------------------------------------------------------------------------------------------------------------

create or replace function watchkeeper.result_schema() returns jsonb
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

create or replace function watchkeeper.record_samples(check_row watchkeeper.checks, result jsonb, observed_at timestamptz, newest boolean) returns void
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

-- It records a slot's one result, as before; its callers find the one below.
-- squawk-ignore renaming-object
alter function watchkeeper.record_one(jsonb, timestamptz) rename to record_run;

-- The slot is decided: what each region said in full has done its work. The target's row is locked by the caller.
create function watchkeeper.record_agreed(agreed jsonb, at timestamptz) returns watchkeeper.recording
language plpgsql security definer set search_path = '' as $$
declare
  recording watchkeeper.recording := watchkeeper.record_run(agreed, at);
begin
  update watchkeeper.votes as v set result = null
  where v.check_id = (agreed ->> 'check_id')::uuid and v.due_at = (agreed ->> 'due_at')::timestamptz and v.result is not null;
  update watchkeeper.runs as r set region = nullif(agreed ->> 'region', '')
  where r.check_id = (agreed ->> 'check_id')::uuid and r.due_at = (agreed ->> 'due_at')::timestamptz;
  return recording;
end
$$;

-- A run's result, or one region's look at it: that moves nothing until the slot can be decided.
-- verdict: recorded | late | repeated | dropped. The target's row is locked by the caller.
create function watchkeeper.record_one(result jsonb, at timestamptz) returns watchkeeper.recording
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  target watchkeeper.targets;
  run watchkeeper.runs;
  place text;
  finished_at timestamptz := least((result ->> 'finished_at')::timestamptz, at);
  agreed jsonb;
begin
  select t.* into target from watchkeeper.checks as c join watchkeeper.targets as t on t.id = c.target_id
  where c.id = (result ->> 'check_id')::uuid and t.regions is not null;
  if target.id is null or not exists (
    select from watchkeeper.votes as v where v.check_id = (result ->> 'check_id')::uuid and v.due_at = (result ->> 'due_at')::timestamptz
  ) then
    return watchkeeper.record_run(result, at);
  end if;
  select r.* into run from watchkeeper.runs as r
  where r.check_id = (result ->> 'check_id')::uuid and r.due_at = (result ->> 'due_at')::timestamptz;
  place := coalesce(result ->> 'region', run.region, '');
  if result ->> 'region' is null then
    -- Claimed before the target demanded agreement: whoever claimed it looks.
    insert into watchkeeper.votes (check_id, due_at, region, claimed_at) values (run.check_id, run.due_at, place, run.claimed_at) on conflict do nothing;
  end if;

  update watchkeeper.votes as v
  set outcome = result ->> 'outcome', reason = left(result ->> 'reason', 2000), recorded_at = at, finished_at = finished_at,
    response_ms = coalesce((result #>> '{uptime,response_time_ms}')::numeric, (
      select (s ->> 'value')::numeric from jsonb_array_elements(coalesce(result -> 'samples', '[]')) as s
      where s ->> 'name' = 'response_time' and s ->> 'unit' = 'ms' and (s ->> 'value')::numeric between 0 and 999999999 limit 1)),
    result = case when run.outcome is null or run.missed then result - 'region' end
  where v.check_id = run.check_id and v.due_at = run.due_at and v.region = place and v.recorded_at is null;
  if not found then
    return (case when exists (
      select from watchkeeper.votes as v where v.check_id = run.check_id and v.due_at = run.due_at and v.region = place
    ) then 'repeated' else 'dropped' end, '[]'::jsonb, null)::watchkeeper.recording;
  elsif run.outcome is not null and not run.missed then
    return ('late', '[]'::jsonb, null)::watchkeeper.recording;
  end if;
  agreed := watchkeeper.agreed_result(target, run.check_id, run.due_at, run.missed, false, at);
  if agreed is null then
    return ('recorded', '[]'::jsonb, null)::watchkeeper.recording;
  end if;
  return watchkeeper.record_agreed(agreed, at);
end
$$;

-- Slots whose time is over and of which the looks that did come say enough. The others are missed.
create function watchkeeper.settle_votes(at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  slots jsonb;
  slot jsonb;
  target watchkeeper.targets;
  agreed jsonb;
  recording watchkeeper.recording;
  rewritten jsonb := '[]';
begin
  select coalesce(jsonb_agg(s.slot order by s.target_id, s.due_at), '[]') into slots
  from (
    select c.target_id, r.due_at, jsonb_build_object('target_id', c.target_id, 'check_id', c.id, 'due_at', r.due_at, 'finished_at', min(v.finished_at)) as slot
    from watchkeeper.targets as t
    join watchkeeper.checks as c on c.target_id = t.id
    join watchkeeper.runs as r on r.check_id = c.id and r.outcome is null and r.due_at < at - watchkeeper.slot_time(c.timeout_s, t.regions)
    join watchkeeper.votes as v on v.check_id = r.check_id and v.due_at = r.due_at and v.recorded_at is not null
    where t.regions is not null
    group by c.id, r.due_at order by c.target_id, r.due_at limit 5000
  ) as s;
  -- Nobody closes a month or rolls up a day while it is rewritten.
  if watchkeeper.tells_of_the_past(slots, at) then
    perform pg_advisory_xact_lock_shared(hashtext('watchkeeper.close_months'));
    perform from watchkeeper.roll_ups for share;
  end if;
  for slot in select s from jsonb_array_elements(slots) as s loop
    -- Whoever holds the target is recording it now; the next tick looks again.
    select t.* into target from watchkeeper.targets as t where t.id = (slot ->> 'target_id')::uuid and t.regions is not null for no key update skip locked;
    continue when target.id is null or not exists (
      select from watchkeeper.runs as r
      where r.check_id = (slot ->> 'check_id')::uuid and r.due_at = (slot ->> 'due_at')::timestamptz and r.outcome is null
    );
    agreed := watchkeeper.agreed_result(target, (slot ->> 'check_id')::uuid, (slot ->> 'due_at')::timestamptz, true, true, at);
    continue when agreed ->> 'outcome' = 'unknown';
    recording := watchkeeper.record_agreed(agreed, at);
    if recording.rewrote is not null then
      rewritten := rewritten || jsonb_build_object('check_id', slot -> 'check_id', 'from', lower(recording.rewrote), 'to', upper(recording.rewrote));
    end if;
  end loop;
  perform watchkeeper.roll_up_again(d.target_id, d.day, at)
  from (
    select distinct c.target_id, day::date as day
    from jsonb_to_recordset(rewritten) as w (check_id uuid, "from" timestamptz, "to" timestamptz)
    join watchkeeper.checks as c on c.id = w.check_id
    cross join lateral generate_series(date_trunc('day', w."from" at time zone 'UTC'), w."to" at time zone 'UTC', interval '1 day') as day
    where day::date < watchkeeper.rolled_up_to() and watchkeeper.utc_midnight(day::date) >= watchkeeper.open_since()
  ) as d;
end
$$;

-- A slot that was claimed and never recorded: its message or its function died, or too few regions answered. It counts as
-- unknown and the check is due again at once, unless a newer slot is on its way. Returns the number of slots marked.
create or replace function watchkeeper.mark_missed(at timestamptz) returns integer
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

-- Claiming --------------------------------------------------------------------------------------------------------------

-- Nothing but claim_due_checks calls it.
-- squawk-ignore ban-drop-function
drop function watchkeeper.claim_slots(timestamptz, integer, integer);

-- Moves next_due_at on and returns what falls due before `at + horizon_s`. Atomic: concurrent ticks share the slots. Those
-- of a target that demands agreement are opened, whoever comes first, and claimed below by each region.
create function watchkeeper.claim_slots(at timestamptz, horizon_s integer, most integer, region text) returns jsonb
language sql security definer set search_path = '' as $$
  with due as (
    select c.id, c.interval_s, watchkeeper.first_slot(c.next_due_at, c.interval_s, at) as first_at
    from watchkeeper.checks as c
    where c.enabled
      and c.next_due_at < at + make_interval(secs => horizon_s)
      and exists (select from watchkeeper.targets as t where t.id = c.target_id and not t.paused)
    order by c.next_due_at, c.id
    limit most
    for no key update of c skip locked
  ),
  slots as (
    select d.id, d.interval_s, s.due_at
    from due as d
    cross join generate_series(0, (horizon_s - 1) / d.interval_s + 1) as n
    cross join lateral (select d.first_at + make_interval(secs => n * d.interval_s) as due_at) as s
    where s.due_at < at + make_interval(secs => horizon_s)
  ),
  moved as (
    update watchkeeper.checks as c
    set next_due_at = s.last_at + make_interval(secs => s.interval_s)
    from (select id, interval_s, max(due_at) as last_at from slots group by id, interval_s) as s
    where c.id = s.id
  ),
  claimed as (
    insert into watchkeeper.runs (check_id, due_at, claimed_at, region)
    select s.id, s.due_at, at, claim_slots.region from slots as s
    on conflict do nothing
    returning check_id, due_at
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'check_id', c.id, 'target_id', t.id, 'target', t.name, 'kind', c.kind, 'due_at', r.due_at,
    'delay_s', greatest(0, extract(epoch from r.due_at - at)),
    'interval_s', c.interval_s, 'timeout_s', c.timeout_s, 'chain', t.chain, 'network', t.network,
    'endpoint', t.endpoint, 'settings', t.settings, 'params', c.params
  ) order by r.due_at, c.id), '[]')
  from claimed as r
  join watchkeeper.checks as c on c.id = r.check_id
  join watchkeeper.targets as t on t.id = c.target_id
  where t.regions is null
$$;

-- The open slots that this region has not looked at yet, as tasks. Of those that are due already only the newest of a
-- check: a region that comes back must not hammer the target.
create function watchkeeper.claim_votes(at timestamptz, most integer, region text) returns jsonb
language sql security definer set search_path = '' as $$
  with opened as (
    select r.check_id, r.due_at
    from watchkeeper.targets as t
    join watchkeeper.checks as c on c.target_id = t.id
    join watchkeeper.runs as r on r.check_id = c.id and r.outcome is null and r.due_at > at - make_interval(secs => least(75, c.interval_s))
    where t.regions is not null and not t.paused and c.enabled
      and (not t.regions ? 'names' or t.regions -> 'names' ? claim_votes.region)
      and not exists (
        select from watchkeeper.votes as v
        where v.check_id = r.check_id and v.due_at = r.due_at and v.region = coalesce(claim_votes.region, '')
      )
    order by r.due_at, r.check_id
    limit most
    -- Not what is being deleted.
    for key share of r skip locked
  ),
  claimed as (
    insert into watchkeeper.votes (check_id, due_at, region, claimed_at)
    select o.check_id, o.due_at, coalesce(claim_votes.region, ''), at from opened as o
    on conflict do nothing
    returning check_id, due_at
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'check_id', c.id, 'target_id', t.id, 'target', t.name, 'kind', c.kind, 'due_at', v.due_at, 'region', claim_votes.region,
    'delay_s', greatest(0, extract(epoch from v.due_at - at)),
    'interval_s', c.interval_s, 'timeout_s', c.timeout_s, 'chain', t.chain, 'network', t.network,
    'endpoint', t.endpoint, 'settings', t.settings, 'params', c.params
  ) order by v.due_at, c.id), '[]')
  from claimed as v
  join watchkeeper.checks as c on c.id = v.check_id
  join watchkeeper.targets as t on t.id = c.target_id
$$;

-- The successor takes every call of before: with both, the API could not tell which is meant.
-- squawk-ignore ban-drop-function
drop function public.claim_due_checks(integer);
-- squawk-ignore ban-drop-function
drop function watchkeeper.claim_due_checks(timestamptz, integer);

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

create function public.claim_due_checks(horizon_s integer default 120, region text default null) returns jsonb
language sql set search_path = '' as 'select watchkeeper.claim_due_checks(now(), horizon_s, region)';
grant execute on function
  watchkeeper.claim_due_checks(timestamptz, integer, text), public.claim_due_checks(integer, text)
to service_role;

-- What is seen of it ----------------------------------------------------------------------------------------------------

create function watchkeeper.region_documents(at timestamptz) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('name', r.name, 'first_seen_at', r.first_seen_at, 'last_tick_at', r.last_tick_at,
    'status', case when watchkeeper.is_quiet(r.last_tick_at, at) then 'unknown' else 'ok' end) order by r.name), '[]')
  from watchkeeper.regions as r
$$;

create or replace function watchkeeper.monitoring(at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select watchkeeper.pulse(monitoring.at)
    || jsonb_build_object('watchdog', watchkeeper.watchdog_state(), 'regions', watchkeeper.region_documents(monitoring.at))
$$;

-- {target: {region: {outcome, at, reason, response_ms}}} of the targets that demand agreement. A region sees the worst of
-- what it saw last with the target's checks; one that is quiet, or has not looked for long, sees nothing.
create function watchkeeper.region_looks(at timestamptz) returns jsonb
language sql stable security definer set search_path = '' as $$
  with looks as (
    select t.id, w.name, v.finished_at, v.response_ms,
      case when watchkeeper.is_quiet(w.last_tick_at, at) or v.due_at is null or v.due_at < at - watchkeeper.stale_after(c.interval_s, c.timeout_s)
        then 'unknown' else v.outcome end as outcome,
      case when watchkeeper.is_quiet(w.last_tick_at, at) then 'no tick: ' || watchkeeper.ago(w.last_tick_at, at)
        when v.due_at is null or v.due_at < at - watchkeeper.stale_after(c.interval_s, c.timeout_s) then c.kind || ': no look: ' || watchkeeper.ago(v.finished_at, at)
        else c.kind || ': ' || v.reason end as reason
    from watchkeeper.targets as t
    join watchkeeper.checks as c on c.target_id = t.id and c.enabled
    cross join lateral watchkeeper.wanted_regions(t.regions) as w
    left join lateral (
      select x.* from watchkeeper.votes as x
      where x.check_id = c.id and x.region = w.name and x.recorded_at is not null order by x.due_at desc limit 1
    ) as v on true
    where t.regions is not null
  ),
  worst as (
    select distinct on (l.id, l.name) l.id, l.name, l.outcome, l.reason, l.response_ms, max(l.finished_at) over (partition by l.id, l.name) as seen_at
    from looks as l
    order by l.id, l.name, array_position(array['fail', 'unknown', 'ok'], l.outcome), l.response_ms desc nulls last
  )
  select coalesce(jsonb_object_agg(e.id, e.regions), '{}')
  from (
    select x.id, jsonb_object_agg(x.name, jsonb_build_object('outcome', x.outcome, 'at', x.seen_at, 'reason', x.reason, 'response_ms', x.response_ms)) as regions
    from worst as x group by x.id
  ) as e
$$;

-- Its callers call it by name, and find the new one below.
-- squawk-ignore renaming-object
alter function watchkeeper.get_system_health_summary(timestamptz) rename to health_summary;
revoke execute on function watchkeeper.health_summary(timestamptz) from authenticated, service_role, watchkeeper_metrics;

-- Which region sees what; and all is not well while one of them is quiet.
create function watchkeeper.get_system_health_summary(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  summary jsonb := watchkeeper.health_summary(at);
  looks jsonb;
  quiet text;
begin
  if exists (select from watchkeeper.targets as t where t.regions is not null) then
    looks := watchkeeper.region_looks(at);
    summary := jsonb_set(summary, '{targets}', (
      select coalesce(jsonb_agg(case when looks ? (e.target ->> 'id') then e.target || jsonb_build_object('regions', looks -> (e.target ->> 'id'))
        else e.target end order by e.n), '[]')
      from jsonb_array_elements(summary -> 'targets') with ordinality as e (target, n)
    ));
  end if;
  select string_agg(format('region %s is quiet: no tick since %s', r.name, watchkeeper.ago(r.last_tick_at, at)), '; ' order by r.name) into quiet
  from watchkeeper.regions as r where watchkeeper.is_quiet(r.last_tick_at, at);
  if quiet is not null and summary ->> 'status' = 'ok' then
    summary := summary || jsonb_build_object('status', 'warning', 'reason', quiet);
  end if;
  return summary;
end
$$;
grant execute on function watchkeeper.get_system_health_summary(timestamptz) to authenticated, service_role, watchkeeper_metrics;

-- squawk-ignore renaming-object
alter function watchkeeper.list_targets(timestamptz) rename to target_list;
revoke execute on function watchkeeper.target_list(timestamptz) from authenticated, service_role;

-- Where agreement is demanded: `regions`, as it was saved, and `looks`, what each of them sees.
create function watchkeeper.list_targets(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  list jsonb := watchkeeper.target_list(at);
  looks jsonb;
begin
  if exists (select from watchkeeper.targets as t where t.regions is not null) then
    looks := watchkeeper.region_looks(at);
    list := (
      select jsonb_agg(case when t.regions is null then e.target
        else e.target || jsonb_build_object('regions', t.regions, 'looks', coalesce(looks -> (e.target ->> 'id'), '{}')) end order by e.n)
      from jsonb_array_elements(list) with ordinality as e (target, n) join watchkeeper.targets as t on t.id = (e.target ->> 'id')::uuid
    );
  end if;
  return list;
end
$$;

create function watchkeeper.list_regions(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return watchkeeper.region_documents(at);
end
$$;

-- Of a region whose stack was deleted. One that still ticks would be back in a minute.
create function watchkeeper.forget_region(name text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  region watchkeeper.regions;
begin
  perform watchkeeper.require_role('admin');
  select r.* into region from watchkeeper.regions as r where r.name = forget_region.name for update;
  if region.name is null then
    perform watchkeeper.not_found('name', 'region', forget_region.name);
  elsif not watchkeeper.is_quiet(region.last_tick_at, at) then
    raise sqlstate 'PT409' using message = format('name: %s still ticks; delete its stack first', region.name);
  end if;
  delete from watchkeeper.regions as r where r.name = region.name;
end
$$;

create function public.list_regions() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.list_regions(now())';
create function public.forget_region(name text) returns void
language sql set search_path = '' as 'select watchkeeper.forget_region(name, now())';

grant execute on function
  watchkeeper.list_targets(timestamptz), watchkeeper.list_regions(timestamptz), public.list_regions(),
  watchkeeper.forget_region(text, timestamptz), public.forget_region(text)
to authenticated, service_role;
