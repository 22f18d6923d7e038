-- The part of schema auth that our SQL touches, as the gateway and hosted Supabase make it. Run by the superuser.
create schema auth;
create table auth.users (
  id uuid primary key default gen_random_uuid(),
  email text,
  is_sso_user boolean not null default false
);
create unique index users_email on auth.users (email) where not is_sso_user;
