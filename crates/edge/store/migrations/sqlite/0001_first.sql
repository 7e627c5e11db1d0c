-- Numbers that only grow: positions in the log, numbers of runs, fences.
CREATE TABLE counter (
    name  TEXT PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The truth. Rows are only ever added.
CREATE TABLE event (
    position INTEGER PRIMARY KEY NOT NULL,
    stream   TEXT NOT NULL,
    version  INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    schema   INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    body     TEXT NOT NULL,
    UNIQUE (stream, version)
) STRICT;

-- What follows from the log, for lists and pages.
CREATE TABLE run (
    id          TEXT PRIMARY KEY NOT NULL,
    number      INTEGER NOT NULL,
    repository  TEXT NOT NULL,
    workflow    TEXT NOT NULL,
    name        TEXT NOT NULL,
    git_ref     TEXT NOT NULL,
    revision    TEXT NOT NULL,
    actor       TEXT NOT NULL,
    trigger     TEXT NOT NULL,
    state       TEXT NOT NULL,
    outcome     TEXT,
    waiting_on  TEXT,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER,
    UNIQUE (repository, number)
) STRICT;
CREATE INDEX run_newest ON run (created_at, id);
CREATE INDEX run_of_repository ON run (repository, created_at, id);
CREATE INDEX run_number ON run (number);
CREATE INDEX run_unfinished ON run (id) WHERE outcome IS NULL;

CREATE TABLE deployment (
    id          TEXT PRIMARY KEY NOT NULL,
    environment TEXT NOT NULL,
    service     TEXT NOT NULL,
    release     TEXT NOT NULL,
    version     TEXT NOT NULL,
    digest      TEXT NOT NULL,
    strategy    TEXT NOT NULL,
    state       TEXT NOT NULL,
    outcome     TEXT,
    weight      INTEGER NOT NULL,
    reason      TEXT,
    cause       TEXT NOT NULL,
    actor       TEXT NOT NULL,
    run         TEXT,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE INDEX deployment_newest ON deployment (created_at, id);
CREATE INDEX deployment_of_place ON deployment (environment, service, created_at, id);
CREATE INDEX deployment_unfinished ON deployment (id) WHERE outcome IS NULL;

CREATE TABLE release (
    id         TEXT PRIMARY KEY NOT NULL,
    service    TEXT NOT NULL,
    version    TEXT NOT NULL,
    digest     TEXT NOT NULL,
    run        TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX release_of_service ON release (service, created_at, id);
CREATE INDEX release_of_run ON release (service, run);
CREATE INDEX release_version ON release (service, version);
CREATE INDEX release_digest ON release (service, digest);

-- Which release was current where, one row for each holder of the lock of a place.
CREATE TABLE placement (
    environment TEXT NOT NULL,
    service     TEXT NOT NULL,
    fence       INTEGER NOT NULL,
    release     TEXT NOT NULL REFERENCES release (id),
    deployment  TEXT NOT NULL,
    since       INTEGER NOT NULL,
    PRIMARY KEY (environment, service, fence)
) STRICT;

CREATE TABLE approval (
    gate        TEXT PRIMARY KEY NOT NULL,
    stream      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    environment TEXT,
    asked_at    INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    closed      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX approval_open ON approval (asked_at, gate) WHERE closed = 0;

CREATE TABLE outbox (
    id         TEXT PRIMARY KEY NOT NULL,
    topic      TEXT NOT NULL,
    url        TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    state      TEXT NOT NULL DEFAULT 'pending',
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER NOT NULL,
    sent_at    INTEGER,
    why        TEXT
) STRICT;
CREATE INDEX outbox_due ON outbox (state, next_at, id);

CREATE TABLE setting (
    name  TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
