-- One row per look at a service. is_up is null when we could not tell: unknown is neither up nor down.

create table public.uptime_checks (
  id uuid primary key default gen_random_uuid(),
  service_name text not null check (length(service_name) between 1 and 100),
  endpoint text not null check (length(endpoint) <= 2000),
  status_code integer check (status_code between 100 and 999),
  response_time_ms numeric check (response_time_ms >= 0 and response_time_ms < 1e9),
  is_up boolean,
  error_message text check (length(error_message) <= 2000),
  checked_at timestamptz not null default now() check (checked_at between '2020-01-01' and now() + interval '5 minutes'),
  target_id uuid
);
alter table public.uptime_checks enable row level security;
grant select on public.uptime_checks to authenticated, service_role;
create policy "members read uptime" on public.uptime_checks
  for select to authenticated using ((select watchkeeper.has_role('viewer')));
create index uptime_checks_of_target on public.uptime_checks (target_id, checked_at desc);
create index uptime_checks_of_service on public.uptime_checks (service_name, checked_at desc);
create index uptime_checks_oldest on public.uptime_checks (checked_at);
