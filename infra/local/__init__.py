"""The laptop stack: Postgres, a Supabase-compatible API, an AWS emulator and a chain node."""
