-- Downloads of a transfer with a limit: each takes a place first, and holds it by a lease.
ALTER TABLE transfers ADD COLUMN held BIGINT NOT NULL DEFAULT 0;            -- places that are spent or under way
ALTER TABLE transfers ADD COLUMN abandoned_bytes BIGINT NOT NULL DEFAULT 0; -- of downloads that gave their place back; less than the payload
UPDATE transfers SET held = download_count;

CREATE TABLE leases (
    transfer_id   TEXT NOT NULL REFERENCES transfers (id),
    token_hash    TEXT NOT NULL,                    -- SHA-256 of the lease token, 64 lowercase hex digits
    payload_bytes BIGINT NOT NULL,                  -- all that the transfer has to read
    charged_bytes BIGINT NOT NULL,                  -- body bytes that were allowed to leave
    spent         BIGINT NOT NULL,                  -- 1: its place is never given back
    started_at    BIGINT NOT NULL,
    ends_at       BIGINT NOT NULL,                  -- moves on with every charge
    PRIMARY KEY (transfer_id, token_hash)
) WITHOUT ROWID;
CREATE INDEX leases_end ON leases (ends_at);
