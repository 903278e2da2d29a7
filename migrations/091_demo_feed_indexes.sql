-- For the demo's own database alone: a production database has no such table.
--
-- What    Whom a user follows, for the first step of the demo's feed query.
-- Why     The demo's tables have primary keys and nothing else; without this, each feed reads all of `follows`.
-- How long  Less than a second for the demo's rows.

SET statement_timeout = 0;
SET lock_timeout = 0;

CREATE INDEX CONCURRENTLY idx_follows_follower
    ON follows (follower_id) INCLUDE (followee_id);
