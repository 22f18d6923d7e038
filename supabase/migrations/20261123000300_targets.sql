-- What is watched: targets and their checks, as the user wrote them, validated against the catalog.

create table watchkeeper.targets (
  id uuid primary key default gen_random_uuid(),
  name text not null unique check (length(name) between 1 and 100 and name = btrim(name)),
  chain text,
  network text check (length(network) between 1 and 100),
  endpoint text check (length(endpoint) <= 2000),
  settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object'),
  labels jsonb not null default '{}' check (jsonb_typeof(labels) = 'object'),
  paused boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- {agree, names}; without names it is all regions that tick
  regions jsonb check (jsonb_typeof(regions) = 'object')
);
alter table watchkeeper.targets enable row level security;
create index targets_by_agreement on watchkeeper.targets (id) where regions is not null;

-- One row per check: what the user set, and when it is due.
create table watchkeeper.checks (
  id uuid primary key default gen_random_uuid(),
  target_id uuid not null references watchkeeper.targets (id) on delete cascade,
  kind text not null check (length(kind) between 1 and 40),
  enabled boolean not null default true,
  interval_s integer not null check (interval_s between 5 and 86400),
  timeout_s integer not null check (timeout_s between 1 and 60 and timeout_s <= interval_s),
  params jsonb not null default '{}' check (jsonb_typeof(params) = 'object'),
  next_due_at timestamptz not null,
  -- Created, switched on or resumed: silence before this moment is nobody's fault.
  watched_since timestamptz not null,
  unique (target_id, kind)
);
alter table watchkeeper.checks enable row level security;
create index checks_next_due_at on watchkeeper.checks (next_due_at) where enabled;

-- What its newest result said. Apart from the check, because a tick skips the checks that somebody has locked: a
-- recording must not make it lose a slot.
create table watchkeeper.check_states (
  check_id uuid primary key references watchkeeper.checks (id) on delete cascade,
  -- The newest slot whose result moved the state: anything due earlier is late and moves nothing.
  last_due_at timestamptz,
  last_run_at timestamptz,
  outcome text not null check (outcome in ('ok', 'fail', 'unknown')),
  reason text check (length(reason) <= 2000)
);
alter table watchkeeper.check_states enable row level security;

-- While a parent fires, its children are shown and not paged.
create table watchkeeper.dependencies (
  target_id uuid not null references watchkeeper.targets (id) on delete cascade,
  parent_id uuid not null references watchkeeper.targets (id) on delete cascade,
  primary key (target_id, parent_id),
  check (target_id <> parent_id)
);
alter table watchkeeper.dependencies enable row level security;
create index dependencies_of_parent on watchkeeper.dependencies (parent_id);

-- In plpgsql, as all that recording an alert asks: a function in SQL with a search_path is planned at each call.
-- Without enable_seqscan, as all that looks up, for each result or transition, the few rows of one alert or of the checks
-- at hand. Plans are made once per session, and on tables that were empty when last analyzed they read all of the table
-- each time: a thousand results then took quadratic time.
create function watchkeeper.ancestors(target_id uuid) returns setof uuid
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
begin
  return query with recursive up as (
    select d.parent_id from watchkeeper.dependencies as d where d.target_id = ancestors.target_id
    union
    select d.parent_id from up join watchkeeper.dependencies as d on d.target_id = up.parent_id
  )
  select up.parent_id from up;
end
$$;

-- Two missed slots and the time a probe may take: from then on the last result says nothing about now.
create function watchkeeper.stale_after(interval_s integer, timeout_s integer) returns interval
language sql immutable set search_path = '' as $$
  select make_interval(secs => 2 * interval_s + timeout_s + 30)
$$;

-- Validation ----------------------------------------------------------------------------------------------------

create function watchkeeper.catalog_document() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  document jsonb := (select c.document from watchkeeper.catalog as c);
begin
  if document is null then
    raise sqlstate 'PT409' using message = 'the catalog is not published yet: let schedule_checks run once';
  end if;
  return document;
end
$$;

-- Early word for the user only: the boundary itself is where the probe connects (functions/watchkeeper/http.py).
create function watchkeeper.private_address_problem(endpoint text, allowed text) returns text
language plpgsql immutable set search_path = '' as $$
declare
  host text := lower(trim('[]' from substring(endpoint from '^[a-z]+://(?:[^@/?#]*@)?(\[[^]]*\]|[^:/?#]*)')));
  address inet;
  loopback boolean;
begin
  if allowed = 'all' then
    return null;
  end if;
  if host = 'localhost' or host like '%.localhost' then
    loopback := true;
  else
    begin
      address := host::inet;
    exception when invalid_text_representation then
      return null;
    end;
    loopback := address <<= '127.0.0.0/8' or address = '::1';
  end if;
  if loopback then
    return case when allowed <> 'loopback' then format('%s is a loopback address; set PRIVATE_TARGETS=loopback to allow it', host) end;
  end if;
  if address <<= any (array['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12',
    '192.168.0.0/16', '224.0.0.0/3', '::/96', 'fc00::/7', 'fe80::/10', 'ff00::/8', '::ffff:0:0/96', '64:ff9b::/96']::inet[]) then
    return format('%s is a private address; set PRIVATE_TARGETS=all to allow it', host);
  end if;
  return null;
end
$$;

create function watchkeeper.need_endpoint(argument text, endpoint text, chain text, private_targets text) returns void
language plpgsql immutable set search_path = '' as $$
declare
  problem text;
begin
  perform watchkeeper.need_text(argument, endpoint, 2000);
  if endpoint !~ '^(https?|tcp)://(\[[0-9A-Fa-f:.]+\]|[^][\s/?#:]+)(:\d{1,5})?([/?#]\S*)?$' then
    perform watchkeeper.refuse(argument, 'must be http://…, https://… or tcp://host:port, without spaces');
  elsif endpoint ~ '^tcp://' and endpoint !~ '^tcp://[^/]+:\d{1,5}$' then
    perform watchkeeper.refuse(argument, 'must name a port: tcp://host:port');
  elsif chain is not null and endpoint ~ '^tcp://' then
    perform watchkeeper.refuse(argument, format('must be http:// or https:// for chain %s', chain));
  end if;
  problem := watchkeeper.private_address_problem(endpoint, private_targets);
  if problem is not null then
    perform watchkeeper.refuse(argument, problem);
  end if;
end
$$;

-- The check with its defaults filled in, or a refusal that names the wrong part.
create function watchkeeper.normal_check(argument text, kind text, given jsonb, catalog jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  known jsonb := catalog -> 'checks' -> kind;
  shape constant jsonb := '{"type": "object", "additionalProperties": false, "properties": {
    "interval_s": {"type": "integer", "minimum": 5, "maximum": 86400}, "timeout_s": {"type": "integer", "minimum": 1, "maximum": 60},
    "enabled": {"type": "boolean"}, "params": {"type": "object"}}}';
  filled jsonb;
begin
  given := coalesce(nullif(given, 'null'), '{}');
  perform watchkeeper.need_fit(argument, given, shape);
  perform watchkeeper.need_fit(argument || '.params', coalesce(given -> 'params', '{}'), known -> 'params_schema');
  filled := jsonb_build_object('interval_s', known -> 'interval_s', 'enabled', true, 'params', '{}'::jsonb) || given;
  if not filled ? 'timeout_s' then
    filled := filled || jsonb_build_object('timeout_s', least((known ->> 'timeout_s')::numeric, (filled ->> 'interval_s')::numeric));
  elsif (filled ->> 'timeout_s')::numeric > (filled ->> 'interval_s')::numeric then
    perform watchkeeper.refuse(argument || '.timeout_s', 'must not be longer than interval_s');
  end if;
  return filled;
end
$$;

-- {regions: ...}, or {} if nothing is demanded.
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
create function watchkeeper.normal_target(argument text, given jsonb, catalog jsonb) returns jsonb
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

-- The target as the user wrote it (with defaults): what save_target takes and export gives.
create function watchkeeper.target_document(target watchkeeper.targets) returns jsonb
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

create function watchkeeper.target_of(target_id uuid, argument text default 'target_id') returns watchkeeper.targets
language plpgsql security definer set search_path = '' as $$
declare
  target watchkeeper.targets;
begin
  select t.* into target from watchkeeper.targets as t where t.id = target_of.target_id for no key update;
  if target.id is null then
    raise sqlstate 'PT404' using message = format('%s: no target %s', argument, coalesce(target_id::text, 'null'));
  end if;
  return target;
end
$$;
