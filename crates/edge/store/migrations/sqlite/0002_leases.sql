-- Who deploys where, for how long, and under which fence. One row for each place that is held.
CREATE TABLE lease (
    environment TEXT NOT NULL,
    service     TEXT NOT NULL,
    deployment  TEXT NOT NULL,
    owner       TEXT NOT NULL,
    fence       INTEGER NOT NULL,
    since       INTEGER NOT NULL,
    until       INTEGER NOT NULL,
    PRIMARY KEY (environment, service)
) STRICT, WITHOUT ROWID;

-- Who wants to be next, in the order of turns; the urgent ones first.
CREATE TABLE lock_queue (
    deployment  TEXT PRIMARY KEY NOT NULL,
    environment TEXT NOT NULL,
    service     TEXT NOT NULL,
    urgent      INTEGER NOT NULL,
    frozen      INTEGER NOT NULL,
    turn        INTEGER NOT NULL,
    since       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX lock_queue_turn ON lock_queue (environment, service, urgent, turn);

-- Who froze what, why, and who lifted it. Rows are kept: they are the record.
CREATE TABLE frozen (
    id          INTEGER PRIMARY KEY NOT NULL,
    environment TEXT,
    reason      TEXT NOT NULL,
    frozen_by   TEXT NOT NULL,
    since       INTEGER NOT NULL,
    until       INTEGER,
    lifted_by   TEXT,
    lifted_at   INTEGER
) STRICT;
CREATE INDEX frozen_open ON frozen (id) WHERE lifted_at IS NULL;

-- What was counted while a deployment was watched, some seconds a row.
CREATE TABLE sample (
    deployment TEXT NOT NULL,
    second     INTEGER NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (deployment, second)
) STRICT, WITHOUT ROWID;
