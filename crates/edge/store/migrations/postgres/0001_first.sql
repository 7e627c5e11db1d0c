-- Numbers that only grow: positions in the log, numbers of runs, fences.
CREATE TABLE counter (
    name  TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    value BIGINT NOT NULL
);

-- The truth. Rows are only ever added.
CREATE TABLE event (
    position BIGINT PRIMARY KEY NOT NULL,
    stream   TEXT COLLATE "C" NOT NULL,
    version  BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    schema   BIGINT NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    body     TEXT COLLATE "C" NOT NULL,
    UNIQUE (stream, version)
);

-- What follows from the log, for lists and pages.
CREATE TABLE run (
    id          TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    number      BIGINT NOT NULL,
    repository  TEXT COLLATE "C" NOT NULL,
    workflow    TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    git_ref     TEXT COLLATE "C" NOT NULL,
    revision    TEXT COLLATE "C" NOT NULL,
    actor       TEXT COLLATE "C" NOT NULL,
    trigger     TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL,
    outcome     TEXT COLLATE "C",
    waiting_on  TEXT COLLATE "C",
    created_at  BIGINT NOT NULL,
    finished_at BIGINT,
    UNIQUE (repository, number)
);
CREATE INDEX run_newest ON run (created_at, id);
CREATE INDEX run_of_repository ON run (repository, created_at, id);
CREATE INDEX run_number ON run (number);
CREATE INDEX run_unfinished ON run (id) WHERE outcome IS NULL;

CREATE TABLE deployment (
    id          TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    service     TEXT COLLATE "C" NOT NULL,
    release     TEXT COLLATE "C" NOT NULL,
    version     TEXT COLLATE "C" NOT NULL,
    digest      TEXT COLLATE "C" NOT NULL,
    strategy    TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL,
    outcome     TEXT COLLATE "C",
    weight      BIGINT NOT NULL,
    reason      TEXT COLLATE "C",
    cause       TEXT COLLATE "C" NOT NULL,
    actor       TEXT COLLATE "C" NOT NULL,
    run         TEXT COLLATE "C",
    created_at  BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX deployment_newest ON deployment (created_at, id);
CREATE INDEX deployment_of_place ON deployment (environment, service, created_at, id);
CREATE INDEX deployment_unfinished ON deployment (id) WHERE outcome IS NULL;

CREATE TABLE release (
    id         TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    service    TEXT COLLATE "C" NOT NULL,
    version    TEXT COLLATE "C" NOT NULL,
    digest     TEXT COLLATE "C" NOT NULL,
    run        TEXT NOT NULL,
    body       TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX release_of_service ON release (service, created_at, id);
CREATE INDEX release_of_run ON release (service, run);
CREATE INDEX release_version ON release (service, version);
CREATE INDEX release_digest ON release (service, digest);

-- Which release was current where, one row for each holder of the lock of a place.
CREATE TABLE placement (
    environment TEXT COLLATE "C" NOT NULL,
    service     TEXT COLLATE "C" NOT NULL,
    fence       BIGINT NOT NULL,
    release     TEXT COLLATE "C" NOT NULL REFERENCES release (id),
    deployment  TEXT COLLATE "C" NOT NULL,
    since       BIGINT NOT NULL,
    PRIMARY KEY (environment, service, fence)
);

CREATE TABLE approval (
    gate        TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    stream      TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    subject     TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C",
    asked_at    BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    closed      BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX approval_open ON approval (asked_at, gate) WHERE closed = 0;

CREATE TABLE outbox (
    id         TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    topic      TEXT COLLATE "C" NOT NULL,
    url        TEXT COLLATE "C" NOT NULL,
    body       TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    state      TEXT COLLATE "C" NOT NULL DEFAULT 'pending',
    attempts   BIGINT NOT NULL DEFAULT 0,
    next_at    BIGINT NOT NULL,
    sent_at    BIGINT,
    why        TEXT COLLATE "C"
);
CREATE INDEX outbox_due ON outbox (state, next_at, id);

CREATE TABLE setting (
    name  TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    value TEXT COLLATE "C" NOT NULL
);
