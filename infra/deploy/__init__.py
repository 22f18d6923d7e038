"""`make deploy` and `make destroy`: one installation, a stage, on AWS and a Supabase project."""
