-- What the deployed code can do: check kinds and chain families with the JSON schemas of their parameters.
--
-- The source is Python (functions/watchkeeper/catalog.py); schedule_checks publishes it at each cold start. So a
-- target is validated in the database, by whoever saves it, against what will really run.

create table watchkeeper.catalog (
  only_row boolean primary key default true check (only_row),
  document jsonb not null,
  published_at timestamptz not null
);
alter table watchkeeper.catalog enable row level security;

create function watchkeeper.publish_catalog(catalog jsonb, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  shape constant jsonb := '{"type": "object", "required": ["checks", "chains", "private_targets"], "properties": {
    "checks": {"type": "object", "additionalProperties": {
      "type": "object", "required": ["params_schema", "interval_s", "timeout_s"], "properties": {
        "params_schema": {"type": "object"}, "interval_s": {"type": "integer", "minimum": 5, "maximum": 86400},
        "timeout_s": {"type": "integer", "minimum": 1, "maximum": 60}}}},
    "chains": {"type": "object", "additionalProperties": {
      "type": "object", "required": ["settings_schema", "kinds", "needs_endpoint"], "properties": {
        "settings_schema": {"type": "object"}, "kinds": {"type": "array", "items": {"type": "string"}},
        "needs_endpoint": {"type": "boolean"}}}},
    "private_targets": {"type": "string", "enum": ["none", "loopback", "all"]}}}';
  problem text;
begin
  perform watchkeeper.need_json('catalog', catalog, 'object', 1000000);
  problem := watchkeeper.schema_problem(shape, catalog, 'catalog', shape);
  if problem is not null then
    raise invalid_parameter_value using message = problem;
  end if;
  insert into watchkeeper.catalog (document, published_at) values (catalog, at)
  on conflict (only_row) do update set document = excluded.document, published_at = excluded.published_at;
end
$$;

create function public.publish_catalog(catalog jsonb) returns void
language sql set search_path = '' as 'select watchkeeper.publish_catalog(catalog, now())';

-- Does the value fit the JSON schema? Returns what is wrong, starting with the path of the wrong part, or null.
-- Understands the subset that pydantic writes for flat parameters.
create function watchkeeper.schema_problem(schema jsonb, value jsonb, path text, root jsonb) returns text
language plpgsql immutable set search_path = '' as $$
declare
  problem text;
  first_problem text;
  branch jsonb;
  key text;
  item jsonb;
  n integer;
  kind text := jsonb_typeof(value);
begin
  if schema ? '$ref' then
    return watchkeeper.schema_problem(root #> string_to_array(substring(schema ->> '$ref' from 3), '/'), value, path, root);
  end if;

  if schema ? 'anyOf' then
    for branch in select b from jsonb_array_elements(schema -> 'anyOf') as b loop
      problem := watchkeeper.schema_problem(branch, value, path, root);
      first_problem := coalesce(first_problem, problem);
      exit when problem is null;
    end loop;
    if problem is not null then
      return first_problem;
    end if;
  end if;

  -- The nesting spares the usual value its subquery: that is most of the time a result takes to be read.
  if schema ->> 'type' <> kind then
    -- 60.0 is a whole number, as JSON schema has it.
    if not exists (
      select from jsonb_array_elements_text(
        case jsonb_typeof(schema -> 'type') when 'array' then schema -> 'type' else jsonb_build_array(schema -> 'type') end
      ) as allowed (name)
      where allowed.name = kind or (allowed.name = 'integer' and kind = 'number' and value::numeric = trunc(value::numeric))
    ) then
      return format('%s: must be %s (is %s)', path,
        case schema ->> 'type' when 'integer' then 'a whole number' when 'number' then 'a number' when 'string' then 'a text'
          when 'boolean' then 'true or false' when 'array' then 'a list' when 'object' then 'a map'
          else 'of another type' end,
        left(value::text, 60));
    end if;
  end if;
  if schema ? 'enum' then
    if not exists (select from jsonb_array_elements(schema -> 'enum') as e (allowed) where e.allowed = value) then
      return format('%s: must be one of %s (is %s)', path, schema ->> 'enum', left(value::text, 60));
    end if;
  end if;
  if schema ? 'const' and schema -> 'const' <> value then
    return format('%s: must be %s (is %s)', path, schema ->> 'const', left(value::text, 60));
  end if;

  if kind = 'number' then
    if value::numeric < (schema ->> 'minimum')::numeric or value::numeric <= (schema ->> 'exclusiveMinimum')::numeric
      or value::numeric > (schema ->> 'maximum')::numeric or value::numeric >= (schema ->> 'exclusiveMaximum')::numeric then
      return format('%s: must be %s (is %s)', path, concat_ws(' and ',
        'at least ' || (schema ->> 'minimum'), 'above ' || (schema ->> 'exclusiveMinimum'),
        'at most ' || (schema ->> 'maximum'), 'below ' || (schema ->> 'exclusiveMaximum')), left(value::text, 60));
    end if;

  elsif kind = 'string' then
    n := length(value #>> '{}');
    if n < (schema ->> 'minLength')::integer or n > (schema ->> 'maxLength')::integer then
      return format('%s: must have %s characters (has %s)', path, concat_ws(' and ',
        'at least ' || (schema ->> 'minLength'), 'at most ' || (schema ->> 'maxLength')), n);
    end if;
    if (value #>> '{}') !~ (schema ->> 'pattern') then
      return format('%s: must match %s (is %s)', path, schema ->> 'pattern', left(value::text, 60));
    end if;

  elsif kind = 'array' then
    n := jsonb_array_length(value);
    if n < (schema ->> 'minItems')::integer or n > (schema ->> 'maxItems')::integer then
      return format('%s: must have %s items (has %s)', path, concat_ws(' and ',
        'at least ' || (schema ->> 'minItems'), 'at most ' || (schema ->> 'maxItems')), n);
    end if;
    if schema ? 'items' then
      for item, n in select a.item, a.n - 1 from jsonb_array_elements(value) with ordinality as a (item, n) loop
        problem := watchkeeper.schema_problem(schema -> 'items', item, format('%s[%s]', path, n), root);
        if problem is not null then
          return problem;
        end if;
      end loop;
    end if;

  elsif kind = 'object' then
    for key in select r from jsonb_array_elements_text(coalesce(schema -> 'required', '[]')) as r loop
      if not value ? key then
        return format('%s.%s: is missing', path, key);
      end if;
    end loop;
    for key, item in select e.key, e.value from jsonb_each(value) as e loop
      if coalesce(schema -> 'properties', '{}') ? key then
        problem := watchkeeper.schema_problem(schema -> 'properties' -> key, item, format('%s.%s', path, key), root);
      elsif jsonb_typeof(schema -> 'additionalProperties') = 'object' then
        problem := watchkeeper.schema_problem(schema -> 'additionalProperties', item, format('%s.%s', path, left(key, 60)), root);
      elsif schema -> 'additionalProperties' = 'false' then
        problem := format('%s.%s: is not known%s', path, left(key, 60), coalesce('; known are ' || (
          select string_agg(k, ', ' order by k) from jsonb_object_keys(schema -> 'properties') as k), ''));
      end if;
      if problem is not null then
        return problem;
      end if;
    end loop;
  end if;
  return null;
end
$$;

create function watchkeeper.need_fit(argument text, value jsonb, schema jsonb) returns void
language plpgsql immutable set search_path = '' as $$
declare
  problem text := watchkeeper.schema_problem(schema, value, argument, schema);
begin
  if problem is not null then
    raise invalid_parameter_value using message = problem;
  end if;
end
$$;

grant execute on function watchkeeper.publish_catalog(jsonb, timestamptz), public.publish_catalog(jsonb) to service_role;
