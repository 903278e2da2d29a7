-- Takes 090 back. Queries that have come to rely on the two indexes get slow again at once: look at the application first.
-- Nobody who reads or writes waits; each drop itself waits until every transaction that uses the table has ended.

SET statement_timeout = 0;
SET lock_timeout = 0;

DROP INDEX CONCURRENTLY IF EXISTS idx_posts_user_created;
DROP INDEX CONCURRENTLY IF EXISTS idx_messages_sender_created;
