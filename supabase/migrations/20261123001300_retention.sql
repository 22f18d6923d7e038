-- History ends after a while: raw samples, runs and looks at services. Alerts and incidents stay.

-- At most `most` rows of each table a call, oldest first, so that no call holds its locks for long; `more` says that
-- another call would find work. Concurrent calls share it. History of a day that is not rolled up stays, however old it is.
create function watchkeeper.prune_history(at timestamptz, keep_days integer, most integer) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  until timestamptz;
  rolled_until timestamptz;
  metrics bigint;
  uptime bigint;
  runs bigint;
  last_looks bigint;
  benchmarks bigint;
begin
  perform watchkeeper.need_between('keep_days', keep_days, 1, 3650);
  perform watchkeeper.need_between('most', most, 1, 1000000);
  until := at - make_interval(days => keep_days);
  rolled_until := least(until, watchkeeper.rolled_up_to()::timestamp at time zone 'UTC');

  with old as (
    select m.id from public.system_health_metrics as m where m.recorded_at < rolled_until
    order by m.recorded_at limit most for update skip locked
  )
  delete from public.system_health_metrics as m using old where m.id = old.id;
  get diagnostics metrics = row_count;

  with old as (
    select u.id from public.uptime_checks as u where u.checked_at < rolled_until
    order by u.checked_at limit most for update skip locked
  )
  delete from public.uptime_checks as u using old where u.id = old.id;
  get diagnostics uptime = row_count;

  with old as (
    select r.check_id, r.due_at from watchkeeper.runs as r where r.due_at < rolled_until
    order by r.due_at limit most for update skip locked
  )
  delete from watchkeeper.runs as r using old where r.check_id = old.check_id and r.due_at = old.due_at;
  get diagnostics runs = row_count;

  with old as (
    select l.target_id, l.at from watchkeeper.last_looks as l where l.at < rolled_until
    order by l.at limit most for update skip locked
  )
  delete from watchkeeper.last_looks as l using old where l.target_id = old.target_id and l.at = old.at;
  get diagnostics last_looks = row_count;

  with old as (
    select b.id from public.performance_benchmarks as b where b.recorded_at < until
    order by b.recorded_at limit most for update skip locked
  )
  delete from public.performance_benchmarks as b using old where b.id = old.id;
  get diagnostics benchmarks = row_count;

  return jsonb_build_object('system_health_metrics', metrics, 'uptime_checks', uptime, 'runs', runs + last_looks,
    'performance_benchmarks', benchmarks, 'more', greatest(metrics, uptime, runs, last_looks, benchmarks) = most);
end
$$;

create function public.prune_history(keep_days integer default 30) returns jsonb
language sql set search_path = '' as 'select watchkeeper.prune_history(now(), keep_days, 50000)';

grant execute on function watchkeeper.prune_history(timestamptz, integer, integer), public.prune_history(integer) to service_role;
