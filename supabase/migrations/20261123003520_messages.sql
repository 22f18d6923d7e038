-- What a message says: of an alert, of an incident, of a report.

-- The newest values of the check that raised the alert, for the text of the message.
create function watchkeeper.last_values(alert public.system_alerts) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('name', l.metric_name, 'value', l.value::text, 'unit', l.unit, 'observed_at', l.observed_at,
    'known', l.known) order by l.metric_name), '[]')
  from watchkeeper.checks as c join watchkeeper.latest_values as l on l.check_id = c.id
  where c.target_id = alert.target_id and c.kind = alert.metadata ->> 'kind'
$$;

create function watchkeeper.incident_message(incident public.incident_logs, delivery watchkeeper.deliveries) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', incident.id, 'title', incident.title, 'severity', incident.severity, 'status', incident.status,
    'description', incident.description, 'affected_systems', incident.affected_systems, 'network', incident.network,
    'assigned_to_email', incident.assigned_to_email, 'created_at', incident.created_at, 'updated_at', incident.updated_at,
    'resolved_at', incident.resolved_at, 'resolution_notes', incident.resolution_notes, 'incident_type', incident.incident_type,
    'change', delivery.payload -> 'change')
$$;

-- With its newest links.
create function watchkeeper.report_message(delivery watchkeeper.deliveries) returns jsonb
language sql stable set search_path = '' as $$
  select delivery.payload || jsonb_build_object('summary', r.summary, 'links', r.links, 'links_expire_at', r.links_expire_at,
    'files', (select jsonb_agg(f - 'key') from jsonb_array_elements(r.files) as f))
  from watchkeeper.reports as r where r.id = delivery.report_id
$$;

-- One message: its channel, and the deliveries it settles, each about an alert, an incident, a report or nothing (a test).
-- Secrets are references; the worker reads them.
create function watchkeeper.message_documents(delivery_ids uuid[]) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(m.document order by m.seq), '[]')
  from (
    select min(d.seq) as seq, jsonb_build_object(
      'lease_id', d.lease_id, 'event', min(d.event),
      'channel', jsonb_build_object('id', c.id, 'name', c.name, 'kind', c.kind, 'config', c.config, 'secrets', c.secrets),
      'deliveries', jsonb_agg(jsonb_build_object(
        'id', d.id, 'dedup_key', d.dedup_key, 'attempt', d.attempts, 'why', d.why, 'created_at', d.created_at, 'correlation_id', d.correlation_id,
        'alert', case when a.id is not null then watchkeeper.alert_document(a) || jsonb_build_object('values', watchkeeper.last_values(a)) end,
        'incident', case when i.id is not null then watchkeeper.incident_message(i, d) end,
        'report', watchkeeper.report_message(d),
        'thread', (
          select t.thread from watchkeeper.deliveries as t
          where t.subject_id = d.subject_id and t.channel_id = d.channel_id and t.thread is not null order by t.seq limit 1
        )
      ) order by d.seq)
    ) as document
    from watchkeeper.deliveries as d
    join watchkeeper.channels as c on c.id = d.channel_id
    left join public.system_alerts as a on a.id = d.alert_id
    left join public.incident_logs as i on i.id = d.incident_id
    where d.id = any (delivery_ids)
    group by d.lease_id, c.id
  ) as m
$$;
