-- The draft of a postmortem, made of what the timeline tells; and the text that people make of it.

-- Texts of others on one line, so that none of them can pose as a heading or as HTML.
create function watchkeeper.markdown_line(value text, longest integer) returns text
language sql immutable set search_path = '' as $$
  select replace(case when length(l.line) > longest then left(l.line, longest - 1) || '…' else l.line end, '<', '&lt;')
  from (select btrim(regexp_replace(value, '\s+', ' ', 'g')) as line) as l
$$;

-- As many lines of the timeline as leave room for people's own words.
create function watchkeeper.timeline_markdown(incident_id uuid) returns text
language sql stable set search_path = '' as $$
  select coalesce(string_agg(l.line, E'\n' order by l.n) filter (where l.bytes <= 60000), '- (nothing yet)')
    || coalesce(E'\n- … and ' || nullif(count(*) filter (where l.bytes > 60000), 0) || ' more', '')
  from (
    select x.n, x.line, sum(octet_length(x.line) + 1) over (order by x.n) as bytes
    from (
      select row_number() over (order by t.at, t.rank, t.n) as n, format('- %s: %s (%s)', watchkeeper.utc_text(t.at),
        coalesce(watchkeeper.markdown_line(watchkeeper.entry_text(t.kind, t.text, t.details), 300), t.kind),
        concat_ws(', ', replace(t.kind, '_', ' '), t.actor)) as line
      from watchkeeper.incident_timeline(incident_id) as t
    ) as x
  ) as l
$$;

create function watchkeeper.draft_postmortem(incident_id uuid) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  incident public.incident_logs;
  causes text;
  done text;
  alerts bigint;
begin
  perform watchkeeper.require_role('viewer');
  select i.* into incident from public.incident_logs as i where i.id = draft_postmortem.incident_id;
  if incident.id is null then
    perform watchkeeper.not_found('incident_id', 'incident', incident_id::text);
  end if;
  select count(*) into alerts from watchkeeper.incident_alerts as l where l.incident_id = incident.id;
  causes := (
    select string_agg(c.line, E'\n' order by c.created_at, c.id)
    from (
      select a.created_at, a.id, format('- %s, %s: %s', watchkeeper.markdown_line(a.source, 100), a.alert_type, watchkeeper.markdown_line(a.message, 300)) as line
      from watchkeeper.incident_alerts as l join public.system_alerts as a on a.id = l.alert_id
      where l.incident_id = incident.id order by a.created_at, a.id limit 10
    ) as c
  );
  done := (
    select string_agg(r.line, E'\n' order by r.id)
    from (
      select e.id, format('- [x] %s (%s)', watchkeeper.markdown_line(e.text, 300), e.actor_email) as line
      from watchkeeper.incident_entries as e where e.incident_id = incident.id and e.kind = 'remediation' order by e.id limit 20
    ) as r
  );
  return concat_ws(E'\n\n',
    '# ' || watchkeeper.markdown_line(incident.title, 200),
    '## Summary',
    watchkeeper.markdown_line(incident.description, 2000),
    format('Severity %s, %s. Opened by %s at %s%s.', incident.severity, incident.status,
      coalesce(incident.created_by_email, 'somebody'), watchkeeper.utc_text(incident.created_at),
      coalesce(', resolved at ' || watchkeeper.utc_text(incident.resolved_at), ', not resolved yet')),
    'Resolution: ' || watchkeeper.markdown_line(incident.resolution_notes, 2000),
    '## Impact',
    format(E'- Affected: %s\n- Network: %s\n- Duration: %s\n- Alerts: %s',
      coalesce((select watchkeeper.markdown_line(string_agg(s, ', '), 2000) from unnest(incident.affected_systems) as s), 'not said'),
      coalesce(watchkeeper.markdown_line(incident.network, 100), 'not said'),
      coalesce(justify_hours(date_trunc('second', incident.resolved_at - incident.created_at))::text, 'still going on'), alerts),
    '_Who noticed, and what could they not do?_',
    '## Timeline',
    watchkeeper.timeline_markdown(incident.id),
    '## Causes',
    E'What the alerts said first:\n\n' || causes,
    '_What made it possible, and why was it not noticed earlier?_',
    '## Actions',
    done,
    '- [ ] _What will be done so that it does not happen again, by whom, until when?_') || E'\n';
end
$$;

create function watchkeeper.save_postmortem(incident_id uuid, postmortem text, version integer, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  incident public.incident_logs;
begin
  perform watchkeeper.require_role('responder');
  perform watchkeeper.need_lines('postmortem', postmortem, 100000);
  if octet_length(postmortem) > 100000 then
    perform watchkeeper.refuse('postmortem', format('must have at most 100000 bytes (has %s)', octet_length(postmortem)));
  end if;
  incident := watchkeeper.incident_as_seen(incident_id, version);
  incident.postmortem := save_postmortem.postmortem;
  incident.postmortem_updated_at := at;
  incident.postmortem_updated_by_email := watchkeeper.actor_name();
  incident := watchkeeper.store_incident(incident);
  perform watchkeeper.note_incident(incident, 'postmortem', 'the postmortem was saved',
    jsonb_build_object('bytes', octet_length(postmortem)), at);
  return watchkeeper.incident_document(incident);
end
$$;

create function public.draft_postmortem(incident_id uuid) returns text
language sql stable set search_path = '' as 'select watchkeeper.draft_postmortem(incident_id)';
create function public.save_postmortem(incident_id uuid, postmortem text, version integer) returns jsonb
language sql set search_path = '' as 'select watchkeeper.save_postmortem(incident_id, postmortem, version, now())';

grant execute on function
  watchkeeper.draft_postmortem(uuid), public.draft_postmortem(uuid),
  watchkeeper.save_postmortem(uuid, text, integer, timestamptz), public.save_postmortem(uuid, text, integer)
to authenticated, service_role;
