-- Several servers sweep one database: each takes some of what has ended for a while, the others leave that alone.
ALTER TABLE transfers ADD COLUMN sweep_claimed_until BIGINT; -- milliseconds since 1970; a claim that ran out is nobody's
