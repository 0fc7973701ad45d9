-- Who may create, where the server asks for an access token.
CREATE TABLE access_tokens (
    name          TEXT COLLATE "C" PRIMARY KEY,     -- the operator's word for it; stays taken after revocation
    token_hash    TEXT COLLATE "C" NOT NULL UNIQUE, -- SHA-256, 64 lowercase hex digits
    created_at    BIGINT NOT NULL,                  -- milliseconds since 1970, UTC
    expires_at    BIGINT,                           -- null: never
    revoked_at    BIGINT,
    max_uses      BIGINT,                           -- null: no limit
    uses          BIGINT NOT NULL DEFAULT 0,        -- transfers that it created; never given back
    max_bytes     BIGINT,                           -- null: what the server's settings say
    counted_bytes BIGINT NOT NULL DEFAULT 0,        -- of its transfers that are not swept yet
    open_uploads  BIGINT NOT NULL DEFAULT 0         -- of its transfers that are pending
)
WITH (fillfactor = 70);

-- What all transfers together hold. One row: whoever takes or gives back changes it in the same transaction.
CREATE TABLE server_usage (
    id            BIGINT PRIMARY KEY CHECK (id = 1),
    counted_bytes BIGINT NOT NULL,
    open_uploads  BIGINT NOT NULL
)
WITH (fillfactor = 10);

ALTER TABLE transfers ADD COLUMN access_token_hash TEXT COLLATE "C"; -- the token that created it
ALTER TABLE transfers ADD COLUMN counted_bytes BIGINT NOT NULL DEFAULT 0; -- its part of server_usage, until it is swept
ALTER TABLE transfers ADD COLUMN token_counted_bytes BIGINT NOT NULL DEFAULT 0; -- the same of its access token
ALTER TABLE transfers ADD COLUMN is_open BIGINT NOT NULL DEFAULT 0; -- 1 while it counts as an open upload

-- What was there before counts with the bytes that are stored.
UPDATE transfers SET counted_bytes = stored_bytes, is_open = CASE WHEN state = 'pending' THEN 1 ELSE 0 END
    WHERE blobs_removed = 0;
INSERT INTO server_usage (id, counted_bytes, open_uploads)
    SELECT 1, CAST(COALESCE(SUM(counted_bytes), 0) AS BIGINT), CAST(COALESCE(SUM(is_open), 0) AS BIGINT) FROM transfers;
