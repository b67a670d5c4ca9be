-- What each worker reads, so that a stream that is nobody's, and a worker that is gone for ever, are found.

ALTER TABLE workers
    -- Host and port: workers of two brokers do not stand in for each other. NULL until it is subscribed.
    ADD COLUMN broker       text,
    ADD COLUMN ingest_group text,
    -- Streams, and 'other'. What a worker is subscribed to for certain: it is taken off before it is given up.
    ADD COLUMN reads        text[] NOT NULL DEFAULT '{}',
    -- Topic filters that its session at the broker may hold, those of an earlier configuration included.
    ADD COLUMN filters      text[] NOT NULL DEFAULT '{}';
