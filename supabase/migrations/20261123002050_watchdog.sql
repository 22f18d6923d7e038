-- The other plane: Postgres notices that nobody checks any more, and says so by a webhook that needs no AWS. It looks by
-- pg_cron and speaks by pg_net where these are; without them nothing breaks, and the summary says that there is no watchdog.

create table watchkeeper.watchdog (
  only_row boolean primary key default true check (only_row),
  -- where it speaks: a secret, as whoever has it may write there
  url text check (url ~ '^https?://' and length(url) <= 2000),
  -- how long nothing may be heard of the monitor
  silent_s integer not null default 300 check (silent_s between 60 and 86400),
  -- what it has told of; null while all is well
  silent_since timestamptz
);
alter table watchkeeper.watchdog enable row level security;
insert into watchkeeper.watchdog default values;

-- {status: on | off, reason}
create function watchkeeper.watchdog_state() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  reason text;
  scheduled boolean := false;
begin
  if to_regclass('cron.job') is not null then
    execute $query$ select exists (select from cron.job where jobname = 'watchkeeper-watchdog' and active) $query$ into scheduled;
  end if;
  reason := case
    when to_regclass('cron.job') is null then 'the extension pg_cron is not there'
    when to_regprocedure('net.http_post(text, jsonb, jsonb, jsonb, integer)') is null then 'the extension pg_net is not there'
    when (select w.url is null from watchkeeper.watchdog as w) then 'it has no address: save_watchdog'
    when not scheduled then 'it is not scheduled: save_watchdog'
  end;
  return jsonb_build_object('status', case when reason is null then 'on' else 'off' end, 'reason', reason);
exception when insufficient_privilege then
  return jsonb_build_object('status', 'off', 'reason', 'postgres may not use pg_cron');
end
$$;

-- Sent after the transaction, by pg_net. Whether it arrived, `net._http_response` knows.
create function watchkeeper.bark(url text, event text, message text, since timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
begin
  if url is not null and to_regprocedure('net.http_post(text, jsonb, jsonb, jsonb, integer)') is not null then
    -- Slack reads `text`, Discord `content`.
    execute 'select net.http_post(url := $1, body := $2, timeout_milliseconds := 5000)'
    using url, jsonb_build_object('event', event, 'text', message, 'content', message, 'since', since);
  end if;
end
$$;

-- Once when the monitor has gone silent, once when it is back: 'silent' or 'back'; null: nothing new.
create function watchkeeper.watch_monitor(at timestamptz) returns text
language plpgsql security definer set search_path = '' as $$
declare
  watchdog watchkeeper.watchdog;
  blind_since timestamptz := (watchkeeper.pulse(at) ->> 'blind_since')::timestamptz;
begin
  select w.* into watchdog from watchkeeper.watchdog as w for update;
  if watchdog.silent_since is null and blind_since < at - make_interval(secs => watchdog.silent_s) then
    update watchkeeper.watchdog as w set silent_since = blind_since;
    perform watchkeeper.bark(watchdog.url, 'monitor_silent',
      format('Watchkeeper is blind since %s: no check has run. Is AWS, or its account, in trouble?', watchkeeper.iso_utc(blind_since)), blind_since);
    return 'silent';
  elsif watchdog.silent_since is not null and blind_since is null then
    update watchkeeper.watchdog as w set silent_since = null;
    perform watchkeeper.bark(watchdog.url, 'monitor_back',
      format('Watchkeeper sees again. It was blind from %s to %s.', watchkeeper.iso_utc(watchdog.silent_since), watchkeeper.iso_utc(at)), watchdog.silent_since);
    return 'back';
  end if;
  return null;
end
$$;

-- Each minute, if pg_cron is there; under one name, so that a second call changes nothing.
create function watchkeeper.schedule_watchdog() returns void
language plpgsql security definer set search_path = '' as $$
begin
  if to_regprocedure('cron.schedule(text, text, text)') is not null then
    execute 'select cron.schedule($1, $2, $3)' using 'watchkeeper-watchdog', '* * * * *', 'select watchkeeper.watch_monitor(now())';
  end if;
exception when insufficient_privilege then
  raise notice 'the watchdog is not scheduled: %', sqlerrm;
end
$$;

-- Null: it does not speak.
create function watchkeeper.save_watchdog(url text, silent_s integer) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.need_between('silent_s', silent_s, 60, 86400);
  if url !~ '^https?://[^/[:space:]]' or length(url) > 2000 then
    perform watchkeeper.refuse('url', 'must start with https:// or http://, and have at most 2000 characters');
  end if;
  update watchkeeper.watchdog as w set url = save_watchdog.url, silent_s = save_watchdog.silent_s;
  perform watchkeeper.schedule_watchdog();
  return watchkeeper.watchdog_state() || jsonb_build_object('silent_s', silent_s);
end
$$;

create function public.save_watchdog(url text, silent_s integer default 300) returns jsonb
language sql set search_path = '' as 'select watchkeeper.save_watchdog(url, silent_s)';
grant execute on function watchkeeper.save_watchdog(text, integer), public.save_watchdog(text, integer) to authenticated, service_role;

do $$ begin perform watchkeeper.schedule_watchdog(); end $$;
