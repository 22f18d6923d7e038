-- The plans after which reports are made each month.

create table watchkeeper.report_plans (
  id uuid primary key default gen_random_uuid(),
  name text not null unique check (length(name) between 1 and 100),
  kind text not null check (kind in ('sla', 'compliance')),
  match jsonb not null default '{}' check (jsonb_typeof(match) = 'object'),
  -- the name of an objective; null: the default one
  objective text,
  formats text[] not null check (cardinality(formats) between 1 and 4),
  channels text[] not null,
  enabled boolean not null default true,
  -- months that were closed before are not made up for
  enabled_at timestamptz not null
);
alter table watchkeeper.report_plans enable row level security;
create trigger audit after insert or update or delete on watchkeeper.report_plans
  for each row execute function watchkeeper.audit('enabled_at');

create function watchkeeper.report_formats() returns text[]
language sql immutable set search_path = '' as $$
  select array['html', 'pdf', 'csv', 'json']
$$;

create function watchkeeper.need_report_group(argument text, kind text, match jsonb, objective text) returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.need_shape(argument || 'match', match, watchkeeper.group_schema());
  if kind = 'compliance' and match <> '{}' then
    perform watchkeeper.refuse(argument || 'match', 'a compliance report is about the whole installation');
  elsif kind = 'compliance' and objective is not null then
    perform watchkeeper.refuse(argument || 'objective', 'a compliance report has none');
  elsif objective is not null and not exists (select from watchkeeper.objectives as o where o.name = need_report_group.objective) then
    perform watchkeeper.not_found(argument || 'objective', 'objective', objective);
  end if;
end
$$;

create function watchkeeper.need_report_formats(argument text, formats text[]) returns text[]
language plpgsql immutable set search_path = '' as $$
declare
  given text;
begin
  if coalesce(cardinality(formats), 0) not between 1 and 20 then
    perform watchkeeper.refuse(argument, 'must name a format, and at most 20');
  end if;
  foreach given in array formats loop
    perform watchkeeper.need_one_of(argument, given, watchkeeper.report_formats());
  end loop;
  return array(select f from unnest(watchkeeper.report_formats()) as f where f = any (formats));
end
$$;

create function watchkeeper.need_report_channels(argument text, channels text[]) returns text[]
language plpgsql security definer set search_path = '' as $$
declare
  given text;
begin
  if channels is null or cardinality(channels) > 100 then
    perform watchkeeper.refuse(argument, 'must be a list of at most 100 names');
  end if;
  foreach given in array channels loop
    perform watchkeeper.channel_named(argument, given);
  end loop;
  return array(select distinct c from unnest(channels) as c order by c);
end
$$;

create function watchkeeper.report_plan_document(plan watchkeeper.report_plans) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(plan) - 'id' - 'enabled_at'
$$;

create function watchkeeper.store_report_plan(argument text, given jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  plan watchkeeper.report_plans;
  kind text;
  match jsonb;
begin
  perform watchkeeper.need_shape(argument, given, '{"type": "object", "additionalProperties": false, "required": ["name"], "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 100}, "kind": {"enum": ["sla", "compliance"]},
    "match": {"type": "object"}, "objective": {"type": ["string", "null"]},
    "formats": {"type": "array", "minItems": 1, "maxItems": 20, "items": {"type": "string"}},
    "channels": {"type": "array", "maxItems": 100, "items": {"type": "string"}}, "enabled": {"type": "boolean"}}}');
  perform watchkeeper.need_line(argument || '.name', given ->> 'name', 100);
  kind := coalesce(given ->> 'kind', 'sla');
  match := coalesce(given -> 'match', '{}');
  perform watchkeeper.need_report_group(argument || '.', kind, match, given ->> 'objective');
  insert into watchkeeper.report_plans as p (name, kind, match, objective, formats, channels, enabled, enabled_at)
  values (given ->> 'name', kind, match, given ->> 'objective',
    watchkeeper.need_report_formats(argument || '.formats', case when given ? 'formats'
      then array(select f from jsonb_array_elements_text(given -> 'formats') as f) else watchkeeper.report_formats() end),
    watchkeeper.need_report_channels(argument || '.channels',
      array(select c from jsonb_array_elements_text(coalesce(given -> 'channels', '[]')) as c)),
    coalesce((given ->> 'enabled')::boolean, true), at)
  on conflict on constraint report_plans_name_key do update set kind = excluded.kind, match = excluded.match, objective = excluded.objective,
    formats = excluded.formats, channels = excluded.channels, enabled = excluded.enabled,
    enabled_at = case when p.enabled then p.enabled_at else excluded.enabled_at end
  returning p.* into plan;
  return watchkeeper.report_plan_document(plan);
end
$$;

create function watchkeeper.drop_report_plan(name text) returns void
language plpgsql security definer set search_path = '' as $$
begin
  delete from watchkeeper.report_plans as p where p.name = drop_report_plan.name;
  if not found then
    perform watchkeeper.not_found('name', 'report plan', name);
  end if;
end
$$;

-- A plan that silently reaches nobody, or is about nothing, would be noticed a month later.
create function watchkeeper.keep_for_plans() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  plan text := (
    select p.name from watchkeeper.report_plans as p
    where case tg_argv[0] when 'channel' then old.name = any (p.channels) else old.name = p.objective end order by p.name limit 1
  );
begin
  if plan is not null then
    raise sqlstate 'PT409' using message = format('name: report plan %s still uses the %s %s', plan, tg_argv[0], old.name);
  end if;
  return coalesce(new, old);
end
$$;
create trigger keep_for_plans before update of deleted_at on watchkeeper.channels
  for each row when (new.deleted_at is not null and old.deleted_at is null) execute function watchkeeper.keep_for_plans('channel');
create trigger keep_for_plans before delete on watchkeeper.objectives
  for each row execute function watchkeeper.keep_for_plans('objective');

create function watchkeeper.save_report_plan(plan jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  return watchkeeper.store_seen('report_plan', plan, at);
end
$$;

create function watchkeeper.delete_report_plan(name text) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.need_text('name', name, 100);
  perform watchkeeper.drop_report_plan(name);
end
$$;

create function watchkeeper.list_report_plans() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return (
    select coalesce(jsonb_agg(watchkeeper.report_plan_document(p) || jsonb_build_object('newest', (
      select jsonb_build_object('id', r.id, 'from_time', r.from_time, 'status', r.status)
      from watchkeeper.reports as r where r.plan_name = p.name order by r.from_time desc limit 1
    )) order by p.name), '[]')
    from watchkeeper.report_plans as p
  );
end
$$;

create function public.save_report_plan(plan jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.save_report_plan(plan, now())';
create function public.delete_report_plan(name text) returns void
language sql set search_path = '' as 'select watchkeeper.delete_report_plan(name)';
create function public.list_report_plans() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.list_report_plans()';

grant execute on function
  watchkeeper.save_report_plan(jsonb, timestamptz), public.save_report_plan(jsonb),
  watchkeeper.delete_report_plan(text), public.delete_report_plan(text),
  watchkeeper.list_report_plans(), public.list_report_plans()
to authenticated, service_role;
