-- Who deploys where, for how long, and under which fence. One row for each place that is held.
CREATE TABLE lease (
    environment TEXT COLLATE "C" NOT NULL,
    service     TEXT COLLATE "C" NOT NULL,
    deployment  TEXT COLLATE "C" NOT NULL,
    owner       TEXT COLLATE "C" NOT NULL,
    fence       BIGINT NOT NULL,
    since       BIGINT NOT NULL,
    until       BIGINT NOT NULL,
    PRIMARY KEY (environment, service)
);

-- Who wants to be next, in the order of turns; the urgent ones first.
CREATE TABLE lock_queue (
    deployment  TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    service     TEXT COLLATE "C" NOT NULL,
    urgent      BIGINT NOT NULL,
    frozen      BIGINT NOT NULL,
    turn        BIGINT NOT NULL,
    since       BIGINT NOT NULL
);
CREATE INDEX lock_queue_turn ON lock_queue (environment, service, urgent, turn);

-- Who froze what, why, and who lifted it. Rows are kept: they are the record.
CREATE TABLE frozen (
    id          BIGINT PRIMARY KEY NOT NULL,
    environment TEXT COLLATE "C",
    reason      TEXT COLLATE "C" NOT NULL,
    frozen_by   TEXT COLLATE "C" NOT NULL,
    since       BIGINT NOT NULL,
    until       BIGINT,
    lifted_by   TEXT COLLATE "C",
    lifted_at   BIGINT
);
CREATE INDEX frozen_open ON frozen (id) WHERE lifted_at IS NULL;

-- What was counted while a deployment was watched, some seconds a row.
CREATE TABLE sample (
    deployment TEXT COLLATE "C" NOT NULL,
    second     BIGINT NOT NULL,
    body       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (deployment, second)
);
