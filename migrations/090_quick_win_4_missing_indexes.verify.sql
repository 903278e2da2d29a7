-- Shows that the queries use the indexes of 090: `quickwins indexes verify 090_quick_win_4_missing_indexes.sql` fails
-- where one doesn't. With psql -f, look for the index's name in each plan.

-- The newest messages of a sender.
-- expect-index: idx_messages_sender_created
PREPARE newest_messages (bigint) AS
    SELECT id, created_at
    FROM messages
    WHERE sender_id = $1 AND deleted_at IS NULL
    ORDER BY created_at DESC
    LIMIT 20;
EXPLAIN EXECUTE newest_messages (1);
DEALLOCATE newest_messages;

-- The newest posts of an author.
-- expect-index: idx_posts_user_created
PREPARE newest_posts (bigint) AS
    SELECT id, created_at
    FROM posts
    WHERE user_id = $1 AND soft_delete IS NULL
    ORDER BY created_at DESC
    LIMIT 20;
EXPLAIN EXECUTE newest_posts (1);
DEALLOCATE newest_posts;
