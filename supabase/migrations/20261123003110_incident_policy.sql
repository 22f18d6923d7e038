-- Incidents that open, grow and settle by themselves; and the duties that come round with the sweep.

alter table watchkeeper.monitor add column tended_at timestamptz;

-- Each is filled in by the migration that owns its subject.
create function watchkeeper.note_maintenance(at timestamptz) returns void
language sql set search_path = '' as '';
create function watchkeeper.tend_objectives(at timestamptz) returns void
language sql set search_path = '' as '';
create function watchkeeper.tend_benchmarks(at timestamptz) returns void
language sql set search_path = '' as '';

create function watchkeeper.tend_incidents(at timestamptz) returns void
language sql set search_path = '' as '';

-- What looks at whole windows needs no more than a look a minute.
create function watchkeeper.tend_each_minute(at timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  update watchkeeper.monitor as m set tended_at = at where m.tended_at is null or m.tended_at <= at - interval '1 minute';
  if found then
    perform watchkeeper.tend_objectives(at);
    perform watchkeeper.tend_benchmarks(at);
  end if;
end
$$;

create or replace function watchkeeper.sweep(at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
begin
  -- One sweeper at a time; whoever else comes has nothing to add.
  if pg_try_advisory_xact_lock(hashtext('watchkeeper.sweep')) then
    perform watchkeeper.end_flapping(at);
    perform watchkeeper.mark_late_heartbeats(at);
    perform watchkeeper.release_held(at);
    perform watchkeeper.climb_ladders(at);
    perform watchkeeper.remind(at);
    perform watchkeeper.bury_expired(at);
    perform watchkeeper.cancel_deleted(at);
    perform watchkeeper.note_maintenance(at);
    perform watchkeeper.tend_incidents(at);
    perform watchkeeper.tend_each_minute(at);
  end if;
end
$$;
