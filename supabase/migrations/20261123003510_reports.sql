-- Reports: each one that is due by a plan or was asked for. A worker claims one, reads its figures, stores its files and
-- settles it; an attempt is counted when it is claimed.

create table watchkeeper.reports (
  id uuid primary key default gen_random_uuid(),
  -- null: somebody asked for it
  plan_name text,
  kind text not null check (kind in ('sla', 'compliance')),
  title text not null check (length(title) between 1 and 100),
  match jsonb not null default '{}' check (jsonb_typeof(match) = 'object'),
  objective text,
  from_time timestamptz not null,
  to_time timestamptz not null check (to_time > from_time),
  formats text[] not null check (cardinality(formats) between 1 and 4),
  channels text[] not null default '{}',
  requested_by_email text,
  requested_at timestamptz not null,
  status text not null default 'requested' check (status in ('requested', 'making', 'made', 'failed')),
  progress integer not null default 0 check (progress between 0 and 100),
  step text check (length(step) <= 200),
  attempts integer not null default 0,
  -- while it is being made: when its lease ends
  next_attempt_at timestamptz not null,
  lease_id uuid,
  -- [{format, name, key, bytes, sha256}]
  files jsonb not null default '[]' check (jsonb_typeof(files) = 'array'),
  -- {format: URL}
  links jsonb not null default '{}' check (jsonb_typeof(links) = 'object'),
  links_expire_at timestamptz,
  summary jsonb not null default '{}' check (jsonb_typeof(summary) = 'object'),
  error text check (length(error) <= 1000),
  made_at timestamptz,
  check ((status = 'making') = (lease_id is not null)),
  check (status <> 'made' or made_at is not null)
);
alter table watchkeeper.reports enable row level security;
create unique index reports_of_plan on watchkeeper.reports (plan_name, from_time) where plan_name is not null;
create index reports_newest on watchkeeper.reports (requested_at desc, id desc);
create index reports_waiting on watchkeeper.reports (next_attempt_at) where status in ('requested', 'making');
-- What a person asks for; the rest is the machine's.
create trigger audit after insert on watchkeeper.reports
  for each row when (new.plan_name is null)
  execute function watchkeeper.audit('status', 'progress', 'attempts', 'next_attempt_at', 'files', 'links', 'summary');

alter table watchkeeper.deliveries add constraint deliveries_report_id_fkey
  foreign key (report_id) references watchkeeper.reports (id) on delete cascade not valid;  -- no row has one yet

-- Asking --------------------------------------------------------------------------------------------------------

-- A link that has expired opens nothing, so it is not shown.
create function watchkeeper.report_document(report watchkeeper.reports, at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(report) - 'lease_id' || jsonb_build_object(
    'next_attempt_at', case when report.status = 'requested' then report.next_attempt_at end,
    'links', case when report.links_expire_at > at then report.links else '{}' end)
$$;

create function watchkeeper.request_report(
  from_time timestamptz, to_time timestamptz, kind text, match jsonb, objective text, formats text[], channels text[], title text, at timestamptz
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  report watchkeeper.reports;
begin
  perform watchkeeper.require_role('responder', 'auditor');
  perform watchkeeper.need_one_of('kind', kind, array['sla', 'compliance']);
  if kind = 'compliance' then
    perform watchkeeper.require_role('auditor');
  end if;
  if from_time is null or from_time >= at then
    perform watchkeeper.refuse('from_time', 'must be a time in the past');
  end if;
  perform watchkeeper.need_period(from_time, to_time);
  perform watchkeeper.need_report_group('', kind, match, objective);
  if title is not null then
    perform watchkeeper.need_line('title', title, 100);
  end if;
  if 100 <= (select count(*) from watchkeeper.reports as r where r.status in ('requested', 'making')) then
    raise sqlstate 'PT409' using message = '100 reports wait to be made: ask again when some of them are';
  end if;
  insert into watchkeeper.reports as r (kind, title, match, objective, from_time, to_time, formats, channels, requested_by_email, requested_at, next_attempt_at)
  values (kind, coalesce(title, case kind when 'sla' then 'Service levels' else 'Compliance' end), match, objective, from_time, to_time,
    watchkeeper.need_report_formats('formats', formats), watchkeeper.need_report_channels('channels', channels),
    (select u.email from auth.users as u where u.id = watchkeeper.caller_id()), at, at)
  returning r.* into report;
  return watchkeeper.report_document(report, at);
end
$$;

-- Of what failed another try, of what was made new links. Files that are gone are made again.
create function watchkeeper.renew_report(report_id uuid, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  report watchkeeper.reports;
begin
  perform watchkeeper.require_role('responder', 'auditor');
  select r.* into report from watchkeeper.reports as r where r.id = report_id for no key update;
  if report.id is null or (report.kind = 'compliance' and not watchkeeper.has_role('auditor')) then
    perform watchkeeper.not_found('report_id', 'report', report_id::text);
  elsif report.status in ('requested', 'making') then
    raise sqlstate 'PT409' using message = format('report_id: it is %s already', case report.status when 'making' then 'being made' else 'waiting to be made' end);
  end if;
  update watchkeeper.reports as r set status = 'requested', progress = 0, step = null, error = null, attempts = 0, next_attempt_at = at
  where r.id = report.id returning r.* into report;
  return watchkeeper.report_document(report, at);
end
$$;

-- `before` alone pages by time; a month's reports share it, so `before_id` names the last one seen of that moment.
create function watchkeeper.list_reports(before timestamptz, max_rows integer, before_id uuid, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  perform watchkeeper.need_between('max_rows', max_rows, 1, 200);
  if before_id is not null and before is null then
    perform watchkeeper.refuse('before_id', 'needs before');
  end if;
  return (
    select coalesce(jsonb_agg(watchkeeper.report_document(r, at) order by r.requested_at desc, r.id desc), '[]')
    from (
      select x.* from watchkeeper.reports as x
      where (x.kind = 'sla' or (select watchkeeper.has_role('auditor')))
        and (before is null or x.requested_at < before or (x.requested_at = before and x.id < before_id))
      order by x.requested_at desc, x.id desc limit max_rows
    ) as r
  );
end
$$;

-- Making --------------------------------------------------------------------------------------------------------

-- One for each plan and month that was closed since the plan was switched on; the index sees to the "one".
create function watchkeeper.plan_reports(at timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  insert into watchkeeper.reports (plan_name, kind, title, match, objective, from_time, to_time, formats, channels, requested_at, next_attempt_at)
  select p.name, p.kind, p.name, p.match, p.objective, watchkeeper.utc_midnight(c.month),
    watchkeeper.utc_midnight((c.month + interval '1 month')::date), p.formats, p.channels, at, at
  from watchkeeper.report_plans as p join watchkeeper.sla_closes as c on c.closed_at >= p.enabled_at
  where p.enabled and c.closed_at <= at
  order by c.month, p.name
  on conflict (plan_name, from_time) where plan_name is not null do nothing;
end
$$;

create function watchkeeper.fail_report(report watchkeeper.reports, error text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
begin
  update watchkeeper.reports as r set status = 'failed', lease_id = null, step = null, error = left(fail_report.error, 1000) where r.id = report.id;
  perform watchkeeper.raise_alert('report:' || report.id, null, report.title, 'report_failed', 'error',
    format('the report %s could not be made: %s', report.title, coalesce(error, 'no reason given')),
    jsonb_build_object('kind', 'report', 'report_id', report.id), 1, at, at);
end
$$;

create function watchkeeper.report_attempts() returns integer
language sql immutable set search_path = '' as 'select 8';

-- Whoever made it never came back, so often that it is the report's fault.
create function watchkeeper.give_up_reports(at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  report watchkeeper.reports;
begin
  for report in
    select r.* from watchkeeper.reports as r
    where r.status = 'making' and r.next_attempt_at <= at and r.attempts >= watchkeeper.report_attempts()
    order by r.id for no key update skip locked
  loop
    perform watchkeeper.fail_report(report, format('gave up after %s attempts: %s', report.attempts,
      coalesce(report.error, 'whoever made it did not come back')), at);
  end loop;
end
$$;

create function watchkeeper.claim_report(lease_s integer, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  report watchkeeper.reports;
begin
  perform watchkeeper.need_between('lease_s', lease_s, 5, 900);
  perform watchkeeper.plan_reports(at);
  perform watchkeeper.give_up_reports(at);
  update watchkeeper.reports as r
  set status = 'making', lease_id = gen_random_uuid(), next_attempt_at = at + make_interval(secs => lease_s), attempts = r.attempts + 1,
    progress = 0, step = null
  where r.id = (
    select x.id from watchkeeper.reports as x
    where x.status in ('requested', 'making') and x.next_attempt_at <= at
    order by x.next_attempt_at, x.from_time, x.id limit 1 for no key update skip locked
  )
  returning r.* into report;
  return case when report.id is not null then jsonb_build_object('id', report.id, 'lease_id', report.lease_id, 'kind', report.kind, 'title', report.title,
    'from_time', report.from_time, 'to_time', report.to_time, 'formats', report.formats, 'files', report.files, 'attempt', report.attempts) end;
end
$$;

-- The figures of a claimed report. Apart from the claim, so that one whose figures cannot be read has been tried.
create function watchkeeper.get_report_data(report_id uuid, lease_id uuid, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  report watchkeeper.reports;
  figures jsonb;
begin
  select r.* into report from watchkeeper.reports as r where r.id = report_id and r.lease_id = get_report_data.lease_id;
  if report.id is null then
    raise sqlstate 'PT409' using message = 'lease_id: somebody else makes this report now';
  end if;
  if report.kind = 'compliance' then
    figures := watchkeeper.get_compliance_report(from_time => report.from_time, to_time => report.to_time, at => get_report_data.at);
  else
    figures := watchkeeper.get_sla_report(from_time => report.from_time, to_time => report.to_time, match => report.match,
      objective => report.objective, at => get_report_data.at);
  end if;
  return figures || jsonb_build_object('title', report.title, 'match', case report.kind when 'sla' then report.match end, 'close', (
    select watchkeeper.close_line(c) from watchkeeper.sla_closes as c
    where watchkeeper.utc_midnight(c.month) = report.from_time and watchkeeper.utc_midnight((c.month + interval '1 month')::date) = report.to_time
  ));
end
$$;

-- One message to each of its channels, however often it is made. Its links are added when it is sent: in the ledger
-- they would open the report to all who may read that.
create function watchkeeper.deliver_report(report watchkeeper.reports, at timestamptz) returns void
language sql set search_path = '' as $$
  insert into watchkeeper.deliveries (report_id, channel_id, event, dedup_key, why, next_attempt_at, created_at, payload)
  select report.id, c.id, 'report', 'report:' || report.id || ':' || c.id, left('report: ' || report.title, 200), at, at,
    jsonb_build_object('id', report.id, 'title', report.title, 'kind', report.kind, 'from', report.from_time, 'to', report.to_time)
  from watchkeeper.channels as c
  where c.name = any (report.channels) and c.enabled and c.deleted_at is null
  order by c.name
  on conflict (dedup_key) do nothing
$$;

create function watchkeeper.report_settlement_schema() returns jsonb
language sql immutable set search_path = '' as $$
  select '{"type": "object", "additionalProperties": false, "required": ["id", "lease_id", "outcome"], "properties": {
    "id": {"$ref": "#/$defs/uuid"}, "lease_id": {"$ref": "#/$defs/uuid"},
    "outcome": {"enum": ["making", "made", "retry", "failed"]},
    "progress": {"type": "integer", "minimum": 0, "maximum": 100}, "step": {"type": ["string", "null"], "maxLength": 200},
    "error": {"type": ["string", "null"], "maxLength": 2000}, "summary": {"type": "object"},
    "files": {"type": "array", "minItems": 1, "maxItems": 4, "items": {"type": "object", "additionalProperties": false,
      "required": ["format", "name", "key", "bytes", "sha256"], "properties": {
      "format": {"type": "string", "maxLength": 20}, "name": {"type": "string", "maxLength": 200}, "key": {"type": "string", "maxLength": 500},
      "bytes": {"type": "integer", "minimum": 0, "maximum": 1000000000}, "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}}},
    "links": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 8000, "pattern": "^https?://"}},
    "links_expire_at": {"type": "string", "pattern": "^20\\d\\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|\\+00:00)$"}},
    "$defs": {"uuid": {"type": "string", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"}}}'::jsonb
$$;

create function watchkeeper.settle_made(report watchkeeper.reports, settlement jsonb, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  unreached text := (
    select string_agg(w, ', ' order by w) from unnest(report.channels) as w
    where not exists (select from watchkeeper.channels as c where c.name = w and c.enabled and c.deleted_at is null)
  );
begin
  update watchkeeper.reports as r
  set status = 'made', lease_id = null, progress = 100, step = null, made_at = at, files = settlement -> 'files', links = settlement -> 'links',
    links_expire_at = (settlement ->> 'links_expire_at')::timestamptz, summary = coalesce(settlement -> 'summary', r.summary),
    error = left('not delivered to ' || unreached || ': no such channel, or switched off', 1000)
  where r.id = report.id returning r.* into report;
  perform watchkeeper.deliver_report(report, at);
  perform watchkeeper.close_alert('report:' || report.id, 'it was made', at);
exception when datetime_field_overflow then
  perform watchkeeper.refuse('report.links_expire_at', 'is no day of the calendar');
end
$$;

-- Not settled: the lease is over or somebody else's. Then nothing changes, and who holds it now settles.
create function watchkeeper.settle_report(report jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  held watchkeeper.reports;
  outcome text := report ->> 'outcome';
  missing text;
begin
  perform watchkeeper.need_shape('report', report, watchkeeper.report_settlement_schema());
  foreach missing in array array['files', 'links', 'links_expire_at'] loop
    if outcome = 'made' and not report ? missing then
      perform watchkeeper.refuse('report.' || missing, 'is missing');
    end if;
  end loop;
  select r.* into held from watchkeeper.reports as r
  where r.id = (report ->> 'id')::uuid and r.lease_id = (report ->> 'lease_id')::uuid for no key update;
  if held.id is null then
    return '{"settled": false}';
  end if;
  if outcome = 'making' then
    update watchkeeper.reports as r set progress = coalesce((report ->> 'progress')::numeric::integer, r.progress), step = report ->> 'step'
    where r.id = held.id;
  elsif outcome = 'made' then
    perform watchkeeper.settle_made(held, report, at);
  elsif outcome = 'retry' and held.attempts < watchkeeper.report_attempts() then
    -- 1, 2, 4 ... minutes
    update watchkeeper.reports as r set status = 'requested', lease_id = null, progress = 0, step = null, error = left(report ->> 'error', 1000),
      next_attempt_at = at + least(60, 2 ^ (held.attempts - 1)) * interval '1 minute'
    where r.id = held.id;
  else
    perform watchkeeper.fail_report(held, report ->> 'error', at);
  end if;
  return '{"settled": true}';
end
$$;

-- RPCs ----------------------------------------------------------------------------------------------------------

create function public.request_report(
  from_time timestamptz, to_time timestamptz, kind text default 'sla', match jsonb default '{}', objective text default null,
  formats text[] default '{html,pdf,csv,json}', channels text[] default '{}', title text default null
) returns jsonb
language sql set search_path = '' as 'select watchkeeper.request_report(from_time, to_time, kind, match, objective, formats, channels, title, now())';
create function public.renew_report(report_id uuid) returns jsonb
language sql set search_path = '' as 'select watchkeeper.renew_report(report_id, now())';
create function public.list_reports(before timestamptz default null, max_rows integer default 50, before_id uuid default null) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.list_reports(before, max_rows, before_id, now())';
create function public.claim_report(lease_s integer default 330) returns jsonb
language sql set search_path = '' as 'select watchkeeper.claim_report(lease_s, now())';
create function public.get_report_data(report_id uuid, lease_id uuid) returns jsonb
language sql set search_path = '' as 'select watchkeeper.get_report_data(report_id, lease_id, now())';
create function public.settle_report(report jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.settle_report(report, now())';

grant execute on function
  watchkeeper.request_report(timestamptz, timestamptz, text, jsonb, text, text[], text[], text, timestamptz),
  public.request_report(timestamptz, timestamptz, text, jsonb, text, text[], text[], text),
  watchkeeper.renew_report(uuid, timestamptz), public.renew_report(uuid),
  watchkeeper.list_reports(timestamptz, integer, uuid, timestamptz), public.list_reports(timestamptz, integer, uuid)
to authenticated, service_role;
grant execute on function
  watchkeeper.claim_report(integer, timestamptz), public.claim_report(integer),
  watchkeeper.get_report_data(uuid, uuid, timestamptz), public.get_report_data(uuid, uuid),
  watchkeeper.settle_report(jsonb, timestamptz), public.settle_report(jsonb)
to service_role;
