-- What is asked for each result or transition looks up the few rows of one alert, or of the checks at hand. Plans are
-- made once per session, and on tables that were empty when last analyzed they read all of the table each time: a
-- thousand results then took quadratic time.

alter function watchkeeper.lock_targets(uuid[]) set enable_seqscan = off;
alter function watchkeeper.recent_changes(text, timestamptz) set enable_seqscan = off;
alter function watchkeeper.tell_the_rise(public.system_alerts, timestamptz) set enable_seqscan = off;
alter function watchkeeper.ancestors(uuid) set enable_seqscan = off;
alter function watchkeeper.parent_of_trouble(public.system_alerts, timestamptz) set enable_seqscan = off;
alter function watchkeeper.lock_channel_alerts(uuid[]) set enable_seqscan = off;
