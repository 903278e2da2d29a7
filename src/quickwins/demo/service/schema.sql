-- The feed's tables, with primary keys and nothing else: no other index exists, as in a service whose growth nobody
-- watched. A table that links two users has its own id, so that not even a composite key helps a look-up.

CREATE TABLE users (
    id         bigint PRIMARY KEY,
    email      text NOT NULL,
    name       text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE posts (
    id          bigint PRIMARY KEY,
    user_id     bigint NOT NULL,
    body        text NOT NULL,
    created_at  timestamptz NOT NULL,
    soft_delete timestamptz
);

CREATE TABLE follows (
    id          bigint PRIMARY KEY,
    follower_id bigint NOT NULL,
    followee_id bigint NOT NULL,
    created_at  timestamptz NOT NULL
);

CREATE TABLE messages (
    id              bigint PRIMARY KEY,
    conversation_id bigint NOT NULL,
    sender_id       bigint NOT NULL,
    recipient_id    bigint NOT NULL,
    body            text NOT NULL,
    created_at      timestamptz NOT NULL,
    deleted_at      timestamptz
);
