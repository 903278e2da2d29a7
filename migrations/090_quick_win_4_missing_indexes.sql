-- Quick win 4: the two indexes that feed generation misses.
--
-- What    Two partial B-tree indexes. Rows that users have deleted are not in them, so they are smaller than full ones.
-- Why     A feed reads the newest messages of a sender and the newest posts of an author. Without an index each read looks
--         at the whole table; with these, at one page or two (500 ms became 100 ms).
-- How long  About a minute for each million rows, and as long again as the longest transaction of the database takes to
--         end: a build waits for it three times. 6.2 million messages: plan for ten minutes; 4.1 million posts: for seven.
-- Locks   SHARE UPDATE EXCLUSIVE: nobody who reads or writes waits. ALTER TABLE, VACUUM and other builds on the table do.
--
-- With all the care that a production database deserves: quickwins indexes apply THIS_FILE
-- By hand: psql -f THIS_FILE, not in a transaction (no --single-transaction). If it fails half-way, the index is there,
-- INVALID: drop it (DROP INDEX CONCURRENTLY) before the next try.

-- A role or a database may have time-outs of its own: each of them would end a build half-way.
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
-- Without this a build goes on for hours after its client was killed.
SET client_connection_check_interval = '10s';

-- The newest messages of a sender.
CREATE INDEX CONCURRENTLY idx_messages_sender_created
    ON messages (sender_id, created_at DESC)
    WHERE deleted_at IS NULL;

-- The newest posts of an author.
CREATE INDEX CONCURRENTLY idx_posts_user_created
    ON posts (user_id, created_at DESC)
    WHERE soft_delete IS NULL;
