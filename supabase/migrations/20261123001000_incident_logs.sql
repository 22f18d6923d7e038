-- The row of each incident: how it stands. Its history and its RPCs stand further on, where there is an audit log.

create table public.incident_logs (
  id uuid primary key default gen_random_uuid(),
  incident_type text not null check (length(incident_type) between 1 and 60),
  severity text not null check (severity in ('low', 'medium', 'high', 'critical')),
  title text not null check (length(title) between 1 and 200),
  description text check (length(description) <= 20000),
  affected_systems text[] not null default '{}',
  status text not null default 'open' check (status in ('open', 'investigating', 'resolved', 'closed')),
  resolved_at timestamptz,
  resolution_notes text check (length(resolution_notes) <= 20000),
  -- Not a foreign key: removing a user must stay possible.
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- what an incident opened by policy is about: `network:<name>` or `alert:<fingerprint>`
  key text,
  -- counts the changes of the row: whoever changes it names the version he has seen
  version integer not null default 1,
  network text,
  -- Addresses beside the ids: who it was stays readable when the user is gone.
  created_by_email text,
  updated_by_email text,
  assigned_to uuid,
  assigned_to_email text,
  opened_by text not null default 'person',
  resolves_itself boolean not null default false,
  investigating_at timestamptz,
  closed_at timestamptz,
  postmortem text,
  postmortem_updated_at timestamptz,
  postmortem_updated_by_email text,
  check (resolved_at >= created_at),
  check ((status in ('resolved', 'closed')) = (resolved_at is not null)),
  constraint incident_logs_key_length check (length(key) between 1 and 400),
  constraint incident_logs_network_length check (length(network) <= 100),
  constraint incident_logs_opened_by_known check (opened_by in ('person', 'policy')),
  constraint incident_logs_systems_few check (cardinality(affected_systems) <= 200),
  constraint incident_logs_assigned_whole check ((assigned_to is null) = (assigned_to_email is null)),
  constraint incident_logs_postmortem_size check (octet_length(postmortem) <= 100000)
);
alter table public.incident_logs enable row level security;
grant select on public.incident_logs to authenticated, service_role;
create policy "members read incidents" on public.incident_logs
  for select to authenticated using ((select watchkeeper.has_role('viewer')));
create index incident_logs_newest on public.incident_logs (created_at desc, id desc);
create index incident_logs_open on public.incident_logs (created_at) where status in ('open', 'investigating');
create unique index incident_logs_one_open on public.incident_logs (key) where status in ('open', 'investigating');

create function watchkeeper.touch_updated_at() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end
$$;

create trigger update_incident_updated_at before update on public.incident_logs
  for each row execute function watchkeeper.touch_updated_at();
