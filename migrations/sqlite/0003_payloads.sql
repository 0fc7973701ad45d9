-- The older system's transfers: kind 'payload', one blob, chunk_size and total_chunks 0. Null for all others.
ALTER TABLE transfers ADD COLUMN content_type_hint TEXT;
ALTER TABLE transfers ADD COLUMN auto_delete BIGINT;    -- 1: the bytes go once the last of max_downloads is over
ALTER TABLE transfers ADD COLUMN payload_upload TEXT;   -- names the upload that counts; stored_bytes is its length
ALTER TABLE transfers ADD COLUMN payload_blake3 BLOB;   -- the identity of its bytes
