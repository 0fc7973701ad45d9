-- The same columns as in SQLite, with the same names. Ids and hashes are compared byte by byte: COLLATE "C".

-- One row a transfer; kept as a tombstone after deletion and expiry, so that a link never comes to mean other content.
CREATE TABLE transfers (
    id                  TEXT COLLATE "C" PRIMARY KEY, -- 32 lowercase hex digits, 12 in the legacy system
    kind                TEXT NOT NULL,              -- 'full' | 'seed'
    state               TEXT NOT NULL,              -- 'pending' | 'completed' | 'deleted'; expiry is computed from the times
    create_digest       BYTEA NOT NULL,             -- BLAKE3 of the create request: the same request again is harmless
    file_size           BIGINT NOT NULL,            -- bytes of plaintext
    chunk_size          BIGINT NOT NULL,            -- bytes of plaintext
    total_chunks        BIGINT NOT NULL,
    stored_chunks       BIGINT NOT NULL DEFAULT 0,
    stored_bytes        BIGINT NOT NULL DEFAULT 0,  -- sealed bytes
    key_check           BYTEA,                      -- 32 bytes, 'full' only
    kdf_salt            BYTEA,                      -- 16 bytes, when the link's key mode has a passphrase
    owner_token_hash    TEXT,                       -- SHA-256, 64 lowercase hex digits
    download_token_hash TEXT,
    max_downloads       BIGINT NOT NULL DEFAULT 0,  -- 0: no limit
    download_count      BIGINT NOT NULL DEFAULT 0,
    created_at          BIGINT NOT NULL,            -- this and all times: milliseconds since 1970, UTC
    upload_expires_at   BIGINT NOT NULL,            -- moves on with every stored chunk
    expires_in_ms       BIGINT,                     -- counts from complete; null when a moment was given
    expires_at          BIGINT,
    completed_at        BIGINT,
    deleted_at          BIGINT,
    blobs_removed       BIGINT NOT NULL DEFAULT 0   -- 1 once nothing of it is left in the blob store
)
-- Every batch of stored chunks rewrites the row. With room on its page, and no index on what changes then
-- (stored_chunks, stored_bytes, upload_expires_at), no index is touched, and the old version goes without a vacuum.
WITH (fillfactor = 70);

-- What the sweeper looks for, one index for each of its three reasons.
CREATE INDEX transfers_unswept_deleted ON transfers (id) WHERE blobs_removed = 0 AND state = 'deleted';
CREATE INDEX transfers_unswept_expiry ON transfers (expires_at) WHERE blobs_removed = 0;
CREATE INDEX transfers_unswept_pending ON transfers (id) WHERE blobs_removed = 0 AND state = 'pending';

-- Apart from the row above, which is rewritten with every chunk: up to 1 MiB must not be.
CREATE TABLE sealed_metadata (
    transfer_id TEXT COLLATE "C" PRIMARY KEY REFERENCES transfers (id),
    sealed      BYTEA NOT NULL
);
-- It is sealed: compressing it is lost work.
ALTER TABLE sealed_metadata ALTER COLUMN sealed SET STORAGE EXTERNAL;

CREATE TABLE chunks (
    transfer_id TEXT COLLATE "C" NOT NULL REFERENCES transfers (id),
    chunk_index BIGINT NOT NULL,
    blake3      BYTEA NOT NULL,                     -- the identity of the chunk's bytes
    sha256      BYTEA,                              -- when the client sent a Content-Digest that was verified
    stored      SMALLINT NOT NULL,                  -- 0: reserved for these bytes, 1: the blob is there
    PRIMARY KEY (transfer_id, chunk_index)
)
-- Each row is written twice, first reserved, then stored.
WITH (fillfactor = 70);
