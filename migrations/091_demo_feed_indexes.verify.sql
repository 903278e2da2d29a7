-- Shows that the demo's feed finds whom a user follows by the index of 091.

-- expect-index: idx_follows_follower
PREPARE followed (bigint) AS
    SELECT followee_id FROM follows WHERE follower_id = $1;
EXPLAIN EXECUTE followed (1);
DEALLOCATE followed;
