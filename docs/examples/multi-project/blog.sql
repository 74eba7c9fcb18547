-- Project blog: a schema for each tenant. Tables and queries stay as they are on one PostgreSQL;
-- Citus puts each schema as a whole on a worker.
SET citus.enable_schema_based_sharding = on;

CREATE SCHEMA acme;
CREATE TABLE acme.authors (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE acme.posts (
    id bigint PRIMARY KEY,
    author_id bigint NOT NULL REFERENCES acme.authors (id),
    title text NOT NULL UNIQUE
);

CREATE SCHEMA umbrella;
CREATE TABLE umbrella.authors (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE umbrella.posts (
    id bigint PRIMARY KEY,
    author_id bigint NOT NULL REFERENCES umbrella.authors (id),
    title text NOT NULL UNIQUE
);

INSERT INTO acme.authors VALUES (1, 'Ada'), (2, 'Grace');
INSERT INTO acme.posts VALUES (1, 1, 'Hello'), (2, 2, 'Again');
INSERT INTO umbrella.authors VALUES (1, 'Alan');
INSERT INTO umbrella.posts VALUES (1, 1, 'Hello');
