-- Incidents and performance benchmarks: the tables that the tools around them know. Their RPCs come later.

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
  check (resolved_at >= created_at),
  check ((status in ('resolved', 'closed')) = (resolved_at is not null))
);
alter table public.incident_logs enable row level security;
grant select on public.incident_logs to authenticated, service_role;
create policy "members read incidents" on public.incident_logs
  for select to authenticated using ((select watchkeeper.has_role('viewer')));
create index incident_logs_newest on public.incident_logs (created_at desc, id desc);
create index incident_logs_open on public.incident_logs (created_at) where status in ('open', 'investigating');

create function watchkeeper.touch_updated_at() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.updated_at := now();
  return new;
end
$$;

create trigger update_incident_updated_at before update on public.incident_logs
  for each row execute function watchkeeper.touch_updated_at();

create table public.performance_benchmarks (
  id uuid primary key default gen_random_uuid(),
  benchmark_name text not null check (length(benchmark_name) between 1 and 100),
  operation_type text not null check (length(operation_type) between 1 and 100),
  duration_ms numeric not null check (duration_ms >= 0 and duration_ms < 1e12),
  throughput numeric check (throughput >= 0 and throughput < 1e15),
  success_rate numeric check (success_rate between 0 and 100),
  metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
  recorded_at timestamptz not null default now() check (recorded_at between '2020-01-01' and now() + interval '5 minutes')
);
alter table public.performance_benchmarks enable row level security;
grant select on public.performance_benchmarks to authenticated, service_role;
create policy "members read benchmarks" on public.performance_benchmarks
  for select to authenticated using ((select watchkeeper.has_role('viewer')));
create index performance_benchmarks_of_operation
  on public.performance_benchmarks (operation_type, benchmark_name, recorded_at desc);
