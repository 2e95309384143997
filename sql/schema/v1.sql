-- The tables of format v1.  sql/FORMAT.md is normative; this file is what creates it.
--
-- "sealed" columns hold the output of the sealing function over the body that FORMAT.md
-- gives for the purpose, bound by its AAD to the row it stands in.  Times are in ns since
-- 1970 UTC.  Foreign keys are not declared: every reference is checked by sql/checks/,
-- and enforcing them on each insert costs as much as the insert.  `application_id`,
-- `user_version`, the page size and `auto_vacuum` are set before this file runs.

-- Must stay the first table: its root is page 3 and its one row ends that page, so that the
-- record can be read from the file and from the log without SQLite.
CREATE TABLE lineage (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    record BLOB NOT NULL CHECK (length(record) = 136)
) STRICT;

-- What a reader has to understand.  An unknown required feature refuses to open, by name.
CREATE TABLE feature (
    name     TEXT PRIMARY KEY,
    required INTEGER NOT NULL CHECK (required IN (0, 1))
) STRICT, WITHOUT ROWID;

-- Ids below `next` may have been used; the owner moves `next` ahead of what it hands out.
CREATE TABLE reservation (
    kind TEXT PRIMARY KEY,              -- 'node', 'edge', 'volume', 'mount', 'reclaim', 'delta'
    next INTEGER NOT NULL CHECK (next >= 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE volume (
    id         INTEGER PRIMARY KEY,     -- never reused
    uuid       BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),
    name       TEXT NOT NULL UNIQUE,    -- in clear: it is how a locked volume is found
    root       INTEGER NOT NULL,        -- node
    domain     INTEGER NOT NULL,        -- key domain of its chunks; 0: plain, shared by all plain volumes
    encrypted  INTEGER NOT NULL CHECK (encrypted IN (0, 1)),
    generation INTEGER NOT NULL,        -- key generation that new rows are sealed under; 0: plain
    id_generation INTEGER NOT NULL,     -- the one that ids and tags are made with; outlives a re-key
    chunk_size INTEGER NOT NULL,        -- bytes, a power of two
    dedupe     INTEGER NOT NULL CHECK (dedupe IN (0, 1)),
    compression INTEGER NOT NULL CHECK (compression BETWEEN 0 AND 19), -- level of zstd that new chunks are compressed with; 0: none
    epoch      INTEGER NOT NULL CHECK (epoch >= 1), -- the one that current changes belong to
    created    INTEGER NOT NULL,        -- ns
    sealed     BLOB NOT NULL            -- the same settings again, so that none can be edited, and the quota
) STRICT;

-- The counters of a volume (nodes, logical bytes), apart from its settings: rewritten by
-- every commit that changes them.
CREATE TABLE counter (
    volume     INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,
    sealed     BLOB NOT NULL
) STRICT;

-- The volume's master key under one passphrase.
CREATE TABLE key_slot (
    volume     INTEGER NOT NULL,
    slot       INTEGER NOT NULL CHECK (slot BETWEEN 0 AND 31),
    generation INTEGER NOT NULL,        -- of the master key inside
    memory_kib INTEGER NOT NULL,        -- Argon2id
    passes     INTEGER NOT NULL,
    lanes      INTEGER NOT NULL,
    salt       BLOB NOT NULL CHECK (length(salt) = 32),
    commitment BLOB NOT NULL CHECK (length(commitment) = 32),
    wrapped    BLOB NOT NULL,
    PRIMARY KEY (volume, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE node (
    id         INTEGER PRIMARY KEY,     -- the inode number; allocated in time order, never reused, < 2^40
    volume     INTEGER NOT NULL,
    since      INTEGER NOT NULL,        -- epoch in which this version of the row began
    generation INTEGER NOT NULL,
    sealed     BLOB NOT NULL            -- attributes and content reference
) STRICT;

-- Counts a volume's rows without reading them.
CREATE INDEX node_by_volume ON node (volume);

CREATE TABLE edge (
    id         INTEGER PRIMARY KEY,     -- the readdir cookie; never reused
    parent     INTEGER NOT NULL,        -- node
    tag        BLOB NOT NULL CHECK (length(tag) = 16), -- keyed digest of (parent, name)
    child      INTEGER NOT NULL,        -- node
    since      INTEGER NOT NULL,
    generation INTEGER NOT NULL,        -- the same for all names of a directory
    sealed     BLOB NOT NULL            -- the name
) STRICT;

CREATE UNIQUE INDEX edge_by_name ON edge (parent, tag);
CREATE INDEX edge_by_parent ON edge (parent);   -- with the rowid behind it: readdir's order
CREATE INDEX edge_by_child ON edge (child);

CREATE TABLE xattr (
    node       INTEGER NOT NULL,
    tag        BLOB NOT NULL CHECK (length(tag) = 16), -- keyed digest of (node, name)
    since      INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    sealed     BLOB NOT NULL,           -- name and value
    PRIMARY KEY (node, tag)
) STRICT, WITHOUT ROWID;

-- Access times later than the one in the node's own row; outside the versioned rows, so that
-- reading never makes history.
CREATE TABLE atime (
    node       INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,
    sealed     BLOB NOT NULL
) STRICT;

-- Nodes without a name that somebody still had open.  The next owner deletes them.
CREATE TABLE orphan (
    node INTEGER PRIMARY KEY
) STRICT;

-- A piece of content or a manifest, once per key domain.  Counts and data stand apart:
-- updating a row rewrites all of it.
CREATE TABLE chunk (
    id     INTEGER PRIMARY KEY,
    domain INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32), -- keyed digest of the plaintext, or random
    refs   INTEGER NOT NULL CHECK (refs >= 1)         -- manifests entries, nodes and reclaim rows that name it
) STRICT;

CREATE UNIQUE INDEX chunk_by_digest ON chunk (domain, digest);

CREATE TABLE chunk_data (
    id         INTEGER PRIMARY KEY,     -- of the chunk
    generation INTEGER NOT NULL,
    sealed     BLOB NOT NULL
) STRICT;

-- Which rows there are, and under which key, without their pages.
CREATE INDEX chunk_data_by_generation ON chunk_data (generation);

-- Content that lost its last owner and waits to be taken apart, one reference per row.
CREATE TABLE reclaim (
    id         INTEGER PRIMARY KEY,     -- never reused, and part of the AAD: a row can't be doubled
    volume     INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    sealed     BLOB NOT NULL            -- level and digest
) STRICT;

CREATE INDEX reclaim_by_volume ON reclaim (volume);

-- Small changes of files whose chunks are not sealed anew yet: each what one commit changed of one
-- slot.  Folded into chunks before a clean close; what a killed owner left is folded by the next.
CREATE TABLE delta (
    id         INTEGER PRIMARY KEY,     -- never reused; the order in which they apply
    node       INTEGER NOT NULL,        -- whose row says how many it has, and their sum
    generation INTEGER NOT NULL,
    sealed     BLOB NOT NULL            -- slot, and pieces of it
) STRICT;

-- Live sessions.  Liveness is the owner's lock on the file: a new owner keeps the rows of those clients
-- of the old one that may come back, for a moment, and removes the rest.
CREATE TABLE mount (
    id         INTEGER PRIMARY KEY,
    volume     INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    started    INTEGER NOT NULL,        -- ns
    sealed     BLOB NOT NULL            -- door, place, pid, read-only, what of its work is in this state
) STRICT;
