-- Types and metadata tables, with the columns of Citus 13.2. They end up in pg_catalog, where
-- CREATE TABLE is not allowed: so they are made elsewhere and moved.
\echo Use "CREATE EXTENSION citus" to load this file. \quit

CREATE SCHEMA citus;
CREATE SCHEMA citus_internal;
GRANT USAGE ON SCHEMA citus, citus_internal TO public;

CREATE TYPE citus.distribution_type AS ENUM ('hash', 'range', 'append');
CREATE TYPE citus.shard_transfer_mode AS ENUM ('auto', 'force_logical', 'block_writes');
CREATE TYPE pg_catalog.noderole AS ENUM ('primary', 'secondary', 'unavailable');
CREATE TYPE pg_catalog.citus_job_status AS ENUM (
    'scheduled', 'running', 'finished', 'cancelling', 'cancelled', 'failing', 'failed');
CREATE TYPE pg_catalog.citus_task_status AS ENUM (
    'blocked', 'runnable', 'running', 'done', 'cancelling', 'error', 'unscheduled', 'cancelled');

CREATE SEQUENCE citus.pg_dist_node_nodeid_seq;
CREATE SEQUENCE citus.pg_dist_groupid_seq;
CREATE SEQUENCE citus.pg_dist_shardid_seq START 102008;
CREATE SEQUENCE citus.pg_dist_placement_placementid_seq;
CREATE SEQUENCE citus.pg_dist_colocationid_seq;
CREATE SEQUENCE citus.pg_dist_background_job_job_id_seq;
CREATE SEQUENCE citus.pg_dist_background_task_task_id_seq;

CREATE TABLE citus.pg_dist_node (
    nodeid integer PRIMARY KEY DEFAULT nextval('citus.pg_dist_node_nodeid_seq'),
    groupid integer NOT NULL DEFAULT nextval('citus.pg_dist_groupid_seq'),
    nodename text NOT NULL,
    nodeport integer NOT NULL DEFAULT 5432,
    noderack text NOT NULL DEFAULT 'default',
    hasmetadata boolean NOT NULL DEFAULT false,
    isactive boolean NOT NULL DEFAULT true,
    noderole noderole NOT NULL DEFAULT 'primary',
    nodecluster name NOT NULL DEFAULT 'default',
    metadatasynced boolean DEFAULT false,
    shouldhaveshards boolean NOT NULL DEFAULT true,
    nodeisclone boolean NOT NULL DEFAULT false,
    nodeprimarynodeid integer NOT NULL DEFAULT 0,
    UNIQUE (nodename, nodeport)
);
CREATE TABLE citus.pg_dist_local_group (groupid integer PRIMARY KEY);
INSERT INTO citus.pg_dist_local_group VALUES (0);
CREATE TABLE citus.pg_dist_node_metadata (metadata jsonb NOT NULL);
INSERT INTO citus.pg_dist_node_metadata VALUES (jsonb_build_object('server_id', gen_random_uuid()));
CREATE TABLE citus.pg_dist_authinfo (
    nodeid integer NOT NULL,
    rolename name NOT NULL,
    authinfo text NOT NULL,
    UNIQUE (rolename, nodeid)
);
CREATE TABLE citus.pg_dist_colocation (
    colocationid integer PRIMARY KEY,
    shardcount integer NOT NULL,
    replicationfactor integer NOT NULL,
    distributioncolumntype oid NOT NULL,
    distributioncolumncollation oid NOT NULL
);
CREATE TABLE citus.pg_dist_schema (
    schemaid oid PRIMARY KEY,
    colocationid integer NOT NULL UNIQUE
);
-- partkey is the column's name; Citus keeps an expression tree there
CREATE TABLE citus.pg_dist_partition (
    logicalrelid regclass PRIMARY KEY,
    partmethod "char" NOT NULL,
    partkey text,
    colocationid integer NOT NULL DEFAULT 0,
    repmodel "char" NOT NULL DEFAULT 's',
    autoconverted boolean NOT NULL DEFAULT false
);
CREATE TABLE citus.pg_dist_shard (
    logicalrelid regclass NOT NULL,
    shardid bigint PRIMARY KEY,
    shardstorage "char" NOT NULL,
    shardminvalue text,
    shardmaxvalue text
);
CREATE INDEX ON citus.pg_dist_shard (logicalrelid);
CREATE TABLE citus.pg_dist_placement (
    placementid bigint PRIMARY KEY DEFAULT nextval('citus.pg_dist_placement_placementid_seq'),
    shardid bigint NOT NULL,
    shardstate integer NOT NULL DEFAULT 1,
    shardlength bigint NOT NULL DEFAULT 0,
    groupid integer NOT NULL,
    UNIQUE (shardid, groupid)
);
CREATE TABLE citus.pg_dist_background_job (
    job_id bigint PRIMARY KEY DEFAULT nextval('citus.pg_dist_background_job_job_id_seq'),
    state citus_job_status NOT NULL DEFAULT 'scheduled',
    job_type name NOT NULL,
    description text NOT NULL,
    started_at timestamptz,
    finished_at timestamptz
);
CREATE TABLE citus.pg_dist_background_task (
    job_id bigint NOT NULL REFERENCES citus.pg_dist_background_job,
    task_id bigint PRIMARY KEY DEFAULT nextval('citus.pg_dist_background_task_task_id_seq'),
    owner regrole NOT NULL DEFAULT current_user::regrole,
    pid integer,
    status citus_task_status NOT NULL DEFAULT 'runnable',
    command text NOT NULL,
    retry_count integer,
    not_before timestamptz,
    message text NOT NULL DEFAULT '',
    nodes_involved integer[],
    UNIQUE (job_id, task_id)
);
CREATE INDEX ON citus.pg_dist_background_task (status, task_id);
CREATE TABLE citus.pg_dist_background_task_depend (
    job_id bigint NOT NULL,
    task_id bigint NOT NULL,
    depends_on bigint NOT NULL,
    PRIMARY KEY (job_id, task_id, depends_on),
    FOREIGN KEY (job_id, task_id) REFERENCES citus.pg_dist_background_task (job_id, task_id),
    FOREIGN KEY (job_id, depends_on) REFERENCES citus.pg_dist_background_task (job_id, task_id)
);

DO $$
DECLARE
    relation regclass;
BEGIN
    FOR relation IN
        SELECT oid FROM pg_class WHERE relnamespace = 'citus'::regnamespace AND relkind IN ('r', 'S')
    LOOP
        IF (SELECT relkind = 'S' FROM pg_class WHERE oid = relation) THEN
            EXECUTE format('ALTER SEQUENCE %s SET SCHEMA pg_catalog', relation);
        ELSE
            EXECUTE format('ALTER TABLE %s SET SCHEMA pg_catalog', relation);
        END IF;
    END LOOP;
END
$$;
GRANT SELECT ON pg_dist_node, pg_dist_local_group, pg_dist_colocation, pg_dist_schema,
    pg_dist_partition, pg_dist_shard, pg_dist_placement, pg_dist_background_job,
    pg_dist_background_task, pg_dist_background_task_depend TO public;
