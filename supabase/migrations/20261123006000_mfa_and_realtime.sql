-- Two things that a project may offer: a second factor, which can be demanded of everybody, and Realtime, by which pages
-- hear at once that something changed. Without either nothing is different.

-- A second factor -------------------------------------------------------------------------------------------------

create table watchkeeper.access_settings (
  only_row boolean primary key default true check (only_row),
  -- whether a person's role counts only in a session with a second factor
  require_mfa boolean not null default false
);
alter table watchkeeper.access_settings enable row level security;
insert into watchkeeper.access_settings default values;
create trigger audit after insert or update or delete on watchkeeper.access_settings
  for each row execute function watchkeeper.audit();

-- How sure Supabase Auth is of who it is: aal1, or aal2 with a second factor. In one of two places, as other claims are.
create function watchkeeper.caller_aal() returns text
language sql stable set search_path = '' as $$
  select coalesce(nullif(current_setting('request.jwt.claim.aal', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'aal')
$$;

-- Keys and tools are no people: nobody could ask them for a code.
create function watchkeeper.lacks_factor() returns boolean
language sql stable set search_path = '' as $$
  select (select s.require_mfa from watchkeeper.access_settings as s)
    and watchkeeper.caller_role() = 'authenticated' and watchkeeper.caller_aal() is distinct from 'aal2'
$$;

-- Somebody who has a role that does not count.
create function watchkeeper.needs_factor() returns boolean
language sql stable security definer set search_path = '' as $$
  select watchkeeper.lacks_factor() and exists (select from watchkeeper.members as m where m.user_id = watchkeeper.caller_id())
$$;

create or replace function watchkeeper.has_role(wanted text) returns boolean
language sql stable security definer set search_path = '' as $$
  select watchkeeper.is_operator() or exists (
    select from watchkeeper.members as m
    where m.user_id = watchkeeper.caller_id()
      and (m.role = 'admin' or m.role = wanted or wanted = 'viewer')
  ) and not watchkeeper.lacks_factor()
$$;

create or replace function watchkeeper.require_role(variadic wanted text[]) returns void
language plpgsql stable set search_path = '' as $$
begin
  if exists (select from unnest(wanted) as w (role) where watchkeeper.has_role(w.role)) then
    return;
  elsif watchkeeper.needs_factor() then
    raise insufficient_privilege using
      message = 'this project demands a second factor',
      hint = 'set it up under Account on the page, and sign in with its code';
  end if;
  raise insufficient_privilege using
    message = format('this needs the role %s', array_to_string(wanted, ' or ')),
    hint = 'an admin grants it with: watchkeeper members grant EMAIL ROLE';
end
$$;

create or replace function watchkeeper.whoami() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'user_id', watchkeeper.caller_id(),
    'email', (select u.email from auth.users as u where u.id = watchkeeper.caller_id()),
    'role', case when watchkeeper.is_operator() then 'operator'
      else (select m.role from watchkeeper.members as m where m.user_id = watchkeeper.caller_id()) end,
    'rights', (
      select coalesce(jsonb_agg(r.name order by r.n), '[]')
      from (values (1, 'read', 'viewer'), (2, 'respond', 'responder'), (3, 'audit', 'auditor'), (4, 'manage', 'admin'))
        as r (n, name, role)
      where watchkeeper.has_role(r.role)
    ),
    'aal', watchkeeper.caller_aal(),
    'needs_mfa', watchkeeper.needs_factor(),
    'require_mfa', (select s.require_mfa from watchkeeper.access_settings as s)
  )
$$;

-- Who demands it of others has one himself: else he would be the first whom it shuts out. The operator's key always works.
create function watchkeeper.store_access_settings(argument text, given jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  stored watchkeeper.access_settings;
begin
  perform watchkeeper.need_shape(argument, given, '{"type": "object", "additionalProperties": false, "properties": {
    "require_mfa": {"type": "boolean"}}}');
  if (given ->> 'require_mfa')::boolean and not watchkeeper.is_operator() and watchkeeper.caller_aal() is distinct from 'aal2' then
    raise sqlstate 'PT409' using
      message = format('%s.require_mfa: sign in with a second factor of your own first', argument),
      hint = 'set it up under Account on the page';
  end if;
  update watchkeeper.access_settings as s
  set require_mfa = coalesce((given ->> 'require_mfa')::boolean, s.require_mfa)
  returning s.* into stored;
  return to_jsonb(stored) - 'only_row';
end
$$;

create function watchkeeper.save_access_settings(settings jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  return watchkeeper.store_access_settings('settings', settings);
end
$$;

create function watchkeeper.get_access_settings() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return (select to_jsonb(s) - 'only_row' from watchkeeper.access_settings as s);
end
$$;

create or replace function watchkeeper.single_settings_now() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('delivery_settings', to_jsonb(d) - 'only_row', 'incident_settings', to_jsonb(i) - 'only_row',
    'access_settings', to_jsonb(a) - 'only_row')
  from watchkeeper.delivery_settings as d cross join watchkeeper.incident_settings as i cross join watchkeeper.access_settings as a
$$;

create or replace function watchkeeper.store_single_settings(section text, given jsonb) returns jsonb
language sql security definer set search_path = '' as $$
  select case section
    when 'delivery_settings' then watchkeeper.store_delivery_settings(section, given)
    when 'incident_settings' then watchkeeper.store_incident_settings(section, given)
    when 'access_settings' then watchkeeper.store_access_settings(section, given)
  end
$$;

create function public.get_access_settings() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_access_settings()';
create function public.save_access_settings(settings jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.save_access_settings(settings)';
grant execute on function
  watchkeeper.get_access_settings(), public.get_access_settings(),
  watchkeeper.save_access_settings(jsonb), public.save_access_settings(jsonb)
to authenticated, service_role;

-- Realtime --------------------------------------------------------------------------------------------------------

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
