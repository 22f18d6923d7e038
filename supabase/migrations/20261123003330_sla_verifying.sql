-- Is a closed month what it was when it was closed, and would its inputs still say the same?

create type watchkeeper.difference as (place text, closed jsonb, now jsonb);

-- Where two documents differ, down to the value.
create function watchkeeper.differences(place text, closed jsonb, now jsonb) returns setof watchkeeper.difference
language plpgsql immutable set search_path = '' as $$
begin
  if closed is not distinct from now then
    return;
  elsif jsonb_typeof(closed) = 'object' and jsonb_typeof(now) = 'object' then
    return query select d.* from (select jsonb_object_keys(closed) union select jsonb_object_keys(now) order by 1) as k (key)
      cross join lateral watchkeeper.differences(differences.place || '.' || k.key, differences.closed -> k.key, differences.now -> k.key) as d;
  elsif jsonb_typeof(closed) = 'array' and jsonb_typeof(now) = 'array' then
    return query select d.* from generate_series(0, greatest(jsonb_array_length(closed), jsonb_array_length(now)) - 1) as n
      cross join lateral watchkeeper.differences(format('%s[%s]', differences.place, n), differences.closed -> n, differences.now -> n) as d;
  else
    return next (place, closed, now)::watchkeeper.difference;
  end if;
end
$$;

-- Keys that are ids of targets, as people call them; of two with one name, each with its id.
create function watchkeeper.by_name(facts jsonb, names jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_object_agg(coalesce(case when n.twins > 1 then n.name || ' ' || n.id else n.name end, f.key), f.value), '{}')
  from jsonb_each(facts) as f
  left join (
    select e.key as id, e.value ->> 'name' as name, count(*) over (partition by e.value ->> 'name') as twins from jsonb_each(names) as e
  ) as n on n.id = f.key
$$;

-- What may be different by now without anybody having done wrong: what targets are called and labelled.
create function watchkeeper.lasting(targets jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_object_agg(t.key, t.value - array['name', 'chain', 'network', 'labels']), '{}') from jsonb_each(targets) as t
$$;

-- Nor what an incident's row has forgotten: when it was resolved before it was reopened, and which systems it named before
-- an alert was linked.
create function watchkeeper.forgotten_since(closed jsonb, now jsonb, closed_at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(n.id, n.fact
    || case when e.reopened then jsonb_build_object('resolved_at', closed -> n.id -> 'resolved_at') else '{}' end
    || case when e.linked then jsonb_build_object('affected_systems', closed -> n.id -> 'affected_systems') else '{}' end), '{}')
  from jsonb_each(now) as n (id, fact)
  cross join lateral (
    select coalesce(bool_or(x.kind = 'status' and x.details ->> 'to' in ('open', 'investigating')), false) as reopened,
      coalesce(bool_or(x.kind = 'linked'), false) as linked
    from watchkeeper.incident_entries as x where x.incident_id = n.id::uuid and x.at > forgotten_since.closed_at
  ) as e
$$;

-- Days as the spans can know them.
create function watchkeeper.times_only(days jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_object_agg(t.id, t.days), '{}')
  from (
    select e.key as id, jsonb_object_agg(d.key, d.value - array['checks', 'failures', 'p50_ms', 'p95_ms', 'p99_ms', 'latency_buckets']) as days
    from jsonb_each(days) as e cross join lateral jsonb_each(e.value) as d
    group by e.key
  ) as t
$$;

create function watchkeeper.input_differences(closed watchkeeper.sla_closes) returns setof watchkeeper.difference
language plpgsql stable set search_path = '' as $$
declare
  -- As of the closing: what came later changes nothing.
  now jsonb := watchkeeper.close_inputs(closed.month, closed.closed_at);
  spans jsonb := watchkeeper.span_facts(watchkeeper.utc_midnight(closed.month), watchkeeper.utc_midnight((closed.month + interval '1 month')::date), closed.closed_at);
  names jsonb := coalesce(now -> 'targets', '{}') || coalesce(closed.inputs -> 'targets', '{}');
begin
  return query select d.* from watchkeeper.differences('inputs.uptime_days',
    watchkeeper.by_name(closed.inputs -> 'uptime_days', names), watchkeeper.by_name(now -> 'uptime_days', names)) as d;
  return query select d.* from watchkeeper.differences('availability_spans',
    watchkeeper.by_name(watchkeeper.times_only(closed.inputs -> 'uptime_days'), names), watchkeeper.by_name(spans, names)) as d;
  return query select d.* from watchkeeper.differences('inputs.targets',
    watchkeeper.by_name(watchkeeper.lasting(closed.inputs -> 'targets'), names), watchkeeper.by_name(watchkeeper.lasting(now -> 'targets'), names)) as d;
  return query select d.* from watchkeeper.differences('inputs.alerts', closed.inputs -> 'alerts', now -> 'alerts') as d;
  return query select d.* from watchkeeper.differences('inputs.incidents', closed.inputs -> 'incidents',
    watchkeeper.forgotten_since(closed.inputs -> 'incidents', now -> 'incidents', closed.closed_at)) as d;
end
$$;

-- The month's own hashes, the month before it, and every month since, up to the newest that was closed.
create function watchkeeper.chain_differences(closed watchkeeper.sla_closes) returns setof watchkeeper.difference
language sql stable set search_path = '' as $$
  select d.place, to_jsonb(encode(d.closed, 'hex')), to_jsonb(encode(d.now, 'hex'))
  from (
    select 1 as n, 'inputs_hash' as place, closed.inputs_hash as closed, watchkeeper.inputs_hash(closed.inputs) as now
    union all
    select 2, 'hash', closed.hash, watchkeeper.close_hash(closed.previous_hash, closed.inputs_hash, closed.report)
    union all
    select 3, 'closes.' || watchkeeper.month_text((closed.month - interval '1 month')::date), closed.previous_hash,
      coalesce((select c.hash from watchkeeper.sla_closes as c where c.month = (closed.month - interval '1 month')::date), case when closed.previous_hash = '' then ''::bytea end)
    union all
    select 4, 'closes.' || watchkeeper.month_text(m::date), coalesce(h.hash, (select n.previous_hash from watchkeeper.sla_closes as n where n.month = (m + interval '1 month')::date), ''), (select c.hash from watchkeeper.sla_closes as c where c.month = m::date)
    from generate_series(closed.month + interval '1 month', (select x.month from watchkeeper.sla_close_head as x)::timestamp, interval '1 month') as m
    left join watchkeeper.sla_close_head as h on h.month = m::date
    where not exists (select from watchkeeper.sla_closes as c where c.month = m::date and c.hash = coalesce(h.hash, c.hash))
    union all
    select 5, 'closes.newest', h.hash, closed.hash from watchkeeper.sla_close_head as h where h.month = closed.month
    union all
    select 5, 'closes.newest', null, closed.hash where not exists (select from watchkeeper.sla_close_head as h where h.month >= closed.month)
    union all
    select 6, 'audit_log', a.hash, closed.hash from watchkeeper.audited_close(closed.id) as a where a.hash is not null
  ) as d
  where d.closed is distinct from d.now
  order by d.n, d.place
$$;

create function watchkeeper.verify_sla_close(month text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  wanted date;
  closed watchkeeper.sla_closes;
  found watchkeeper.difference[];
begin
  perform watchkeeper.require_role('viewer');
  wanted := watchkeeper.need_month(month);
  select c.* into closed from watchkeeper.sla_closes as c where c.month = wanted;
  if closed.month is not null then
    found := array(select d from watchkeeper.chain_differences(closed) as d);
    begin
      found := found || array(select d from watchkeeper.input_differences(closed) as d)
        || array(select d from watchkeeper.differences('report', closed.report, watchkeeper.closed_reports(closed.inputs)) as d);
    exception when data_exception then
      found := found || ('inputs', null, to_jsonb('cannot be read: ' || sqlerrm))::watchkeeper.difference;
    end;
  elsif wanted in (select m.month from watchkeeper.months_closed() as m) then
    found := array[('closes.' || month, coalesce(to_jsonb(encode(watchkeeper.audited_close(month), 'hex')), '"closed"'), null)::watchkeeper.difference];
  else
    raise sqlstate 'PT404' using message = format('month: %s is not closed', month);
  end if;
  return jsonb_build_object('month', month, 'ok', cardinality(found) = 0, 'hash', encode(closed.hash, 'hex'), 'problems_count', cardinality(found),
    'problems', (
      select coalesce(jsonb_agg(jsonb_build_object('where', f.place, 'closed', f.closed, 'now', f.now) order by f.n), '[]')
      from unnest(found) with ordinality as f (place, closed, now, n) where f.n <= 200
    ));
end
$$;

create function public.verify_sla_close(month text) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.verify_sla_close(month)';
grant execute on function watchkeeper.verify_sla_close(text), public.verify_sla_close(text) to authenticated, service_role;
