-- The tables of the first application, as it owns them (DESIGN, section 5).
create table public.blockchain_blocks (
  block_index bigint unique, block_hash text, previous_hash text, difficulty integer, chain_work numeric(30, 0),
  transaction_count integer, total_fees numeric(20, 8), block_reward numeric(20, 8), created_at timestamptz
);
create table public.p2p_peers (
  peer_id text, reputation_score numeric, last_seen_at timestamptz, is_trusted boolean, is_banned boolean
);
create type public.transaction_status as enum ('pending', 'confirmed', 'rejected');
create table public.blockchain_mempool (
  transaction_id text, transaction_fee numeric(20, 8), size_bytes integer, received_at timestamptz, status public.transaction_status
);
create table public.quantum_key_cache (
  user_id uuid, key_type text, algorithm text, cache_hit_count integer, last_used_at timestamptz, created_at timestamptz,
  expires_at timestamptz, is_active boolean
);
create table public.quantum_performance_metrics (operation_type text, cache_hit boolean, created_at timestamptz);
create table public.user_token_balances (
  user_id uuid, balance numeric(20, 8), locked_balance numeric(20, 8), total_earned numeric(20, 8), total_spent numeric(20, 8)
);
-- The names that application may own as well.
create type public.system_role as enum ('user', 'admin');
create table public.user_roles (user_id uuid, role public.system_role);
create function public.has_role(user_id uuid, role public.system_role) returns boolean language sql as 'select true';
