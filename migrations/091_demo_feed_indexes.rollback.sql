-- Takes 091 back: each feed reads all of `follows` again.

SET statement_timeout = 0;
SET lock_timeout = 0;

DROP INDEX CONCURRENTLY IF EXISTS idx_follows_follower;
