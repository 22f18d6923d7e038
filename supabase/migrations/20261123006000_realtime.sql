-- Realtime, where a project offers it: pages hear at once that something changed. Without it nothing is different.

-- Tells pages to ask again, once a transaction: nothing of what changed is in the message, so nobody learns from it what
-- the RPCs would not tell. That the same trouble was seen once more is no news.
create function watchkeeper.broadcast_change() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  noise constant text[] := array['occurrences', 'first_seen_at', 'last_seen_at', 'due_at', 'observed_at'];
  news boolean;
begin
  if to_regprocedure('realtime.send(jsonb, text, text, boolean)') is null
    or coalesce(current_setting('watchkeeper.broadcast', true), '') = 'done' then
    return null;
  end if;
  if tg_op = 'INSERT' then
    news := exists (select from new_rows);
  else
    news := exists (select from new_rows as n join old_rows as o using (id) where to_jsonb(n) - noise <> to_jsonb(o) - noise);
  end if;
  if not news then
    return null;
  end if;
  begin
    execute 'select realtime.send($1, $2, $3, $4)' using '{}'::jsonb, 'changed', 'watchkeeper', true;
  exception when others then
    -- A page that hears nothing still asks by itself; an alert that is not written is lost.
    raise warning 'Realtime was not told: %', sqlerrm;
  end;
  perform set_config('watchkeeper.broadcast', 'done', true);
  return null;
end
$$;

create trigger broadcast_new after insert on public.system_alerts
  referencing new table as new_rows for each statement execute function watchkeeper.broadcast_change();
create trigger broadcast_changed after update on public.system_alerts
  referencing new table as new_rows old table as old_rows for each statement execute function watchkeeper.broadcast_change();
create trigger broadcast_new after insert on public.incident_logs
  referencing new table as new_rows for each statement execute function watchkeeper.broadcast_change();
create trigger broadcast_changed after update on public.incident_logs
  referencing new table as new_rows old table as old_rows for each statement execute function watchkeeper.broadcast_change();
create trigger broadcast_new after insert on watchkeeper.incident_entries
  referencing new table as new_rows for each statement execute function watchkeeper.broadcast_change();

-- Who may listen. The table is Realtime's own; it asks this policy when somebody joins.
do $$
begin
  if to_regclass('realtime.messages') is not null and to_regprocedure('realtime.topic()') is not null then
    execute $policy$
      create policy "members hear that something changed" on realtime.messages for select to authenticated
      using (extension = 'broadcast' and (select realtime.topic()) = 'watchkeeper' and (select watchkeeper.has_role('viewer')))
    $policy$;
  end if;
exception
  when insufficient_privilege then raise notice 'pages cannot listen to Realtime: %', sqlerrm;
  when duplicate_object then null;
end
$$;
