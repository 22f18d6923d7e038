-- From a fault to the channel's yes: each alert's moments, and their percentiles.

-- Each alert's moments. Held ones (silences, parents) are left out: their delay is meant.
create view watchkeeper.alert_latencies with (security_invoker = true) as
select a.id as alert_id, coalesce(a.metadata ->> 'kind', 'other') as kind, a.severity, a.due_at, a.observed_at, a.created_at as decided_at,
  d.enqueued_at, d.first_attempt_at, d.delivered_at, a.acknowledged_at,
  extract(epoch from d.delivered_at - a.created_at) as detected_to_delivered_s,
  extract(epoch from d.delivered_at - a.due_at) as due_to_delivered_s,
  extract(epoch from a.acknowledged_at - a.created_at) as detected_to_acknowledged_s
from public.system_alerts as a
left join (
  select x.alert_id, min(x.created_at) as enqueued_at, min(x.first_attempt_at) as first_attempt_at,
    min(x.settled_at) filter (where x.status = 'sent') as delivered_at
  from watchkeeper.deliveries as x where x.event = 'trigger' group by x.alert_id
) as d on d.alert_id = a.id
where a.routed_at = a.created_at;

create function watchkeeper.get_alert_latency(window_s integer, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  perform watchkeeper.need_between('window_s', window_s, 60, 31622400);
  return (
    select coalesce(jsonb_agg(k.line order by k.kind), '[]')
    from (
      select l.kind, jsonb_build_object('kind', l.kind, 'alerts', count(*), 'delivered', count(l.delivered_at),
        'detected_to_delivered_s', watchkeeper.percentiles(array_agg(l.detected_to_delivered_s)),
        'due_to_delivered_s', watchkeeper.percentiles(array_agg(l.due_to_delivered_s)),
        'detected_to_acknowledged_s', watchkeeper.percentiles(array_agg(l.detected_to_acknowledged_s)),
        'acknowledged_within_5_min', count(*) filter (where l.detected_to_acknowledged_s <= 300),
        'delivered_within_30_s', count(*) filter (where l.detected_to_delivered_s <= 30)) as line
      from watchkeeper.alert_latencies as l where l.decided_at > at - make_interval(secs => window_s)
      group by l.kind
    ) as k
  );
end
$$;

create function watchkeeper.percentiles(seconds numeric[]) returns jsonb
language sql immutable set search_path = '' as $$
  select case when count(s) > 0 then jsonb_build_object(
    'p50', round(percentile_cont(0.5) within group (order by s)::numeric, 3),
    'p95', round(percentile_cont(0.95) within group (order by s)::numeric, 3),
    'p99', round(percentile_cont(0.99) within group (order by s)::numeric, 3)) end
  from unnest(seconds) as s
$$;

create function public.get_alert_latency(window_s integer default 604800) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_alert_latency(window_s, now())';

grant execute on function
  watchkeeper.get_alert_latency(integer, timestamptz), public.get_alert_latency(integer)
to authenticated, service_role;
