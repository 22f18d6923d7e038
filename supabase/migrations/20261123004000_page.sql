-- What the page asks at once: an alert with all that explains it, what fires with the trends beside it.

-- Each metric of the check that raised it, from an hour before it was seen to ten minutes after its end.
create function watchkeeper.evidence(alert public.system_alerts, at timestamptz) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('metric_name', m.metric_name, 'unit', m.unit, 'points',
    watchkeeper.get_metric_series(alert.target_id, m.metric_name, span.from_time, span.to_time,
      -- Buckets of two intervals, so that a gap is a missing sample and not a matter of where buckets begin.
      least(120, greatest(2, floor(extract(epoch from span.to_time - span.from_time) / (2 * m.interval_s))))::integer)) order by m.metric_name), '[]')
  from (
    select alert.first_seen_at - interval '1 hour' as from_time,
      greatest(least(at, coalesce(alert.resolved_at + interval '10 minutes', at)), alert.first_seen_at + interval '1 minute') as to_time
  ) as span
  cross join lateral (
    select l.metric_name, l.unit, c.interval_s
    from watchkeeper.checks as c join watchkeeper.latest_values as l on l.check_id = c.id
    where c.target_id = alert.target_id and c.kind = alert.metadata ->> 'kind'
    order by l.metric_name limit 12
  ) as m
$$;

create function watchkeeper.get_alert(alert_id uuid, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  alert public.system_alerts;
begin
  perform watchkeeper.require_role('viewer');
  select a.* into alert from public.system_alerts as a where a.id = get_alert.alert_id;
  if alert.id is null then
    raise sqlstate 'PT404' using message = format('alert_id: no alert %s', coalesce(alert_id::text, 'null'));
  end if;
  return watchkeeper.alert_document(alert) || jsonb_build_object(
    'values', watchkeeper.last_values(alert),
    'evidence', watchkeeper.evidence(alert, at),
    'transitions', (
      select coalesce(jsonb_agg(jsonb_build_object('transition', t.transition, 'severity', t.severity, 'at', t.at) order by t.id), '[]')
      from watchkeeper.alert_transitions as t where t.alert_id = alert.id
    ),
    'deliveries', (
      select coalesce(jsonb_agg(watchkeeper.delivery_document(d) order by d.seq), '[]')
      from (select x.* from watchkeeper.deliveries as x where x.alert_id = alert.id order by x.seq desc limit 200) as d
    ),
    'earlier', (
      select jsonb_build_object('in_30_days', count(*), 'last_at', max(e.created_at))
      from public.system_alerts as e
      where e.fingerprint = alert.fingerprint and e.id <> alert.id and e.created_at between alert.created_at - interval '30 days' and alert.created_at
    ));
end
$$;

-- Many at once: those that somebody else has acknowledged meanwhile, or that are gone, are counted and no error.
create function watchkeeper.acknowledge_alerts(alert_ids uuid[], at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  alert public.system_alerts;
  acknowledged integer := 0;
begin
  perform watchkeeper.require_role('responder');
  perform watchkeeper.need_between('alert_ids', cardinality(alert_ids), 1, 500);
  perform watchkeeper.lock_targets_of(alert_ids);
  for alert in
    select a.* from public.system_alerts as a
    where a.id = any (alert_ids) and not a.acknowledged order by a.created_at, a.id for no key update
  loop
    perform watchkeeper.acknowledge_alert(alert.id, at);
    acknowledged := acknowledged + 1;
  end loop;
  return jsonb_build_object('acknowledged', acknowledged, 'left', cardinality(alert_ids) - acknowledged);
end
$$;

-- The metric that a card of the overview draws a line of.
create function watchkeeper.trend_metrics() returns table (name text, kind text, metric_name text)
language sql immutable set search_path = '' as $$
  values ('blockchain', 'blockchain', 'avg_block_time'), ('p2p_network', 'p2p', 'active_peers'), ('mempool', 'mempool', 'pending_transactions'),
    ('quantum_security', 'quantum', 'active_keys'), ('uptime', 'uptime', 'response_time'), ('economics', 'economics', 'supply')
$$;

create function watchkeeper.get_overview(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return jsonb_build_object(
    'alerts', (
      select coalesce(jsonb_agg(watchkeeper.alert_document(a) order by watchkeeper.severity_rank(a.severity) desc, a.created_at desc), '[]')
      from (
        select f.* from public.system_alerts as f where f.status = 'firing'
        order by watchkeeper.severity_rank(f.severity) desc, f.created_at desc limit 10
      ) as a
    ),
    'trends', (
      select jsonb_object_agg(m.name, (
        select jsonb_build_object('metric_name', m.metric_name, 'target', t.name, 'hours', 3, 'values', (
          select jsonb_agg(p -> 'avg')
          from jsonb_array_elements(watchkeeper.get_metric_series(t.id, m.metric_name, at - interval '3 hours', at, 60)) as p
        ))
        -- The one whose numbers the summary shows.
        from watchkeeper.targets as t join watchkeeper.checks as c on c.target_id = t.id
        where c.kind = m.kind and c.enabled and not t.paused
        order by t.labels ->> 'primary' = 'true' desc nulls last, t.created_at, t.name limit 1
      ))
      from watchkeeper.trend_metrics() as m
    ));
end
$$;

-- Spells without any result, longer than the two and a half minutes after which the summary calls us blind.
create function watchkeeper.blind_spells(from_time timestamptz, at timestamptz) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('from', g.seen_at, 'to', case when g.next_at < at then g.next_at end,
    'seconds', round(extract(epoch from g.next_at - g.seen_at))) order by g.seen_at desc), '[]')
  from (
    select m.seen_at, lead(m.seen_at, 1, at) over (order by m.seen_at) as next_at
    from (
      select distinct date_trunc('minute', r.due_at) as seen_at from watchkeeper.runs as r
      where r.due_at >= from_time and r.due_at <= at and r.outcome is not null and not r.missed
    ) as m
  ) as g
  where g.next_at - g.seen_at > interval '150 seconds'
$$;

-- The monitor's own health: is it awake, does what it sees arrive, is anything stuck, what runs.
create function watchkeeper.get_monitor(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return jsonb_build_object(
    'generated_at', at,
    'monitoring', watchkeeper.monitoring(at),
    'deliveries', watchkeeper.deliveries_summary(at),
    'runs', (
      select jsonb_build_object('hours', 24, 'ok', count(*) filter (where r.outcome = 'ok'), 'fail', count(*) filter (where r.outcome = 'fail'),
        'unknown', count(*) filter (where r.outcome = 'unknown' and not r.missed), 'missed', count(*) filter (where r.missed),
        'late', count(*) filter (where r.late), 'waiting', count(*) filter (where r.outcome is null and r.due_at < at),
        'oldest_waiting_at', min(r.due_at) filter (where r.outcome is null and r.due_at < at),
        'start_delay_s', watchkeeper.percentiles(array_agg(extract(epoch from r.started_at - r.due_at)) filter (where not r.missed and r.started_at is not null)))
      from watchkeeper.runs as r where r.due_at > at - interval '24 hours' and r.due_at <= at
    ),
    'blind_spells', watchkeeper.blind_spells(at - interval '24 hours', at),
    'counts', jsonb_build_object('targets', (select count(*) from watchkeeper.targets), 'checks', (select count(*) from watchkeeper.checks),
      'channels', (select count(*) from watchkeeper.channels as c where c.deleted_at is null), 'members', (select count(*) from watchkeeper.members)),
    'versions', jsonb_build_object('postgres', current_setting('server_version'),
      'catalog_published_at', (select c.published_at from watchkeeper.catalog as c)),
    'storage_bytes', pg_database_size(current_database()));
end
$$;

create function public.get_alert(alert_id uuid) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_alert(alert_id, now())';
create function public.acknowledge_alerts(alert_ids uuid[]) returns jsonb
language sql set search_path = '' as 'select watchkeeper.acknowledge_alerts(alert_ids, now())';
create function public.get_monitor() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_monitor(now())';
create function public.get_overview() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_overview(now())';

grant execute on function
  watchkeeper.get_alert(uuid, timestamptz), public.get_alert(uuid),
  watchkeeper.acknowledge_alerts(uuid[], timestamptz), public.acknowledge_alerts(uuid[]),
  watchkeeper.get_overview(timestamptz), public.get_overview(),
  watchkeeper.get_monitor(timestamptz), public.get_monitor()
to authenticated, service_role;
