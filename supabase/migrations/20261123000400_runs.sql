-- Each slot of a check is one run: claimed by a tick, recorded by a worker, or counted as missed.

create table watchkeeper.runs (
  check_id uuid not null references watchkeeper.checks (id) on delete cascade,
  due_at timestamptz not null,
  claimed_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  recorded_at timestamptz,
  -- null while claimed and not yet recorded
  outcome text check (outcome in ('ok', 'fail', 'unknown')),
  reason text check (length(reason) <= 2000),
  missed boolean not null default false,
  late boolean not null default false,
  -- For how long a result speaks is settled when it is made, not by what its check became since.
  speaks_s integer check (speaks_s > 0),
  -- Whose tick claimed it; where regions agree: whose look its samples are. Null: the stack did not say.
  region text check (length(region) <= 40),
  correlation_id text check (length(correlation_id) <= 100),
  primary key (check_id, due_at),
  check ((outcome is null) = (recorded_at is null)),
  check (finished_at >= started_at)
);
alter table watchkeeper.runs enable row level security;
create index runs_claimed on watchkeeper.runs (due_at) where outcome is null;
create index runs_oldest on watchkeeper.runs (due_at);
create index runs_not_in_time on watchkeeper.runs (due_at) where missed or late;

-- The monitor's own pulse, one row: a silent monitor must not look like a healthy system.
create table watchkeeper.monitor (
  only_row boolean primary key default true check (only_row),
  last_tick_at timestamptz,
  last_delivery_at timestamptz
);
alter table watchkeeper.monitor enable row level security;
insert into watchkeeper.monitor default values;

-- One walk, one name -------------------------------------------------------------------------------------------

-- The tick that claimed a check gives its id to the run, the alert and the deliveries that come of it, and to every log
-- line on the way. What comes in by another way has none.
create function watchkeeper.correlation_id() returns text
language sql stable set search_path = '' as $$
  select nullif(pg_catalog.current_setting('watchkeeper.correlation_id', true), '')
$$;

create function watchkeeper.keep_correlation() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.correlation_id := watchkeeper.correlation_id();
  return new;
end
$$;
create trigger keep_correlation before update of outcome on watchkeeper.runs for each row execute function watchkeeper.keep_correlation();

-- Claiming -----------------------------------------------------------------------------------------------------

-- The newest slot on the check's grid that is not after `at`. After an outage only this one is made up for:
-- the others can no longer be measured, and firing them all at once would only hammer the target.
create function watchkeeper.first_slot(next_due_at timestamptz, interval_s integer, at timestamptz) returns timestamptz
language sql immutable set search_path = '' as $$
  select next_due_at + make_interval(secs => interval_s * greatest(0, floor(extract(epoch from at - next_due_at) / interval_s)))
$$;

-- Checks that fall due in the same second share a message and an invocation; saved at different moments they would each
-- pay for their own. So every check falls due on one grid, of at most 15 s, that its interval is a multiple of.
create function watchkeeper.grid_s(interval_s integer) returns integer
language sql immutable set search_path = '' as $$
  select gcd(interval_s, 15)
$$;

-- The newest moment on the grid that is not after this one.
create function watchkeeper.on_grid(moment timestamptz, interval_s integer) returns timestamptz
language sql immutable set search_path = '' as $$
  select to_timestamp(floor(extract(epoch from moment) / watchkeeper.grid_s(interval_s)) * watchkeeper.grid_s(interval_s))
$$;

-- Moves next_due_at on and returns what falls due before `at + horizon_s`. Atomic: concurrent ticks share the slots. Those
-- of a target that demands agreement are opened, whoever comes first, and claimed by each region in claim_votes.
-- What is beside the grid (just saved, or asked for by somebody) comes to it: its slot is the one that has just begun,
-- unless that one or a newer one was claimed; then the next one is, a little early once.
create function watchkeeper.claim_slots(at timestamptz, horizon_s integer, most integer, region text) returns jsonb
language sql security definer set search_path = '' as $$
  with due as (
    select c.id, c.interval_s,
      case when exists (select from watchkeeper.runs as r where r.check_id = c.id and r.due_at >= s.on_grid) then s.slot else s.on_grid end as first_at
    from watchkeeper.checks as c
    cross join lateral (select watchkeeper.first_slot(c.next_due_at, c.interval_s, at) as slot,
      watchkeeper.first_slot(watchkeeper.on_grid(c.next_due_at, c.interval_s), c.interval_s, at) as on_grid) as s
    where c.enabled
      and c.next_due_at < at + make_interval(secs => horizon_s)
      and exists (select from watchkeeper.targets as t where t.id = c.target_id and not t.paused)
    order by c.next_due_at, c.id
    limit most
    for no key update of c skip locked
  ),
  slots as (
    select d.id, d.interval_s, s.due_at
    from due as d
    cross join generate_series(0, (horizon_s - 1) / d.interval_s + 1) as n
    cross join lateral (
      select case n when 0 then d.first_at
        else watchkeeper.on_grid(d.first_at + make_interval(secs => d.interval_s), d.interval_s) + make_interval(secs => (n - 1) * d.interval_s)
        end as due_at
    ) as s
    where s.due_at < at + make_interval(secs => horizon_s)
  ),
  moved as (
    update watchkeeper.checks as c
    set next_due_at = watchkeeper.on_grid(s.last_at + make_interval(secs => s.interval_s), s.interval_s)
    from (select id, interval_s, max(due_at) as last_at from slots group by id, interval_s) as s
    where c.id = s.id
  ),
  claimed as (
    insert into watchkeeper.runs (check_id, due_at, claimed_at, region)
    select s.id, s.due_at, at, claim_slots.region from slots as s
    on conflict do nothing
    returning check_id, due_at
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'check_id', c.id, 'target_id', t.id, 'target', t.name, 'kind', c.kind, 'due_at', r.due_at,
    'delay_s', greatest(0, extract(epoch from r.due_at - at)),
    'interval_s', c.interval_s, 'timeout_s', c.timeout_s, 'chain', t.chain, 'network', t.network,
    'endpoint', t.endpoint, 'settings', t.settings, 'params', c.params
  ) order by r.due_at, c.id), '[]')
  from claimed as r
  join watchkeeper.checks as c on c.id = r.check_id
  join watchkeeper.targets as t on t.id = c.target_id
  where t.regions is null
$$;
