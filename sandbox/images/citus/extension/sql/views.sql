-- The views that people and dashboards read.
CREATE VIEW citus.citus_nodes AS
    SELECT nodename, nodeport, CASE WHEN groupid = 0 THEN 'coordinator' ELSE 'worker' END AS role,
        isactive AS active
    FROM pg_dist_node;

CREATE FUNCTION citus_internal.table_type(partition pg_dist_partition) RETURNS text
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN partition.repmodel = 't' THEN 'reference'
        WHEN EXISTS (SELECT FROM pg_dist_schema s WHERE s.colocationid = partition.colocationid) THEN 'schema'
        ELSE 'distributed' END
$$;

-- The rows are in one local table: a shard's size is its part of that, were all shards alike.
CREATE VIEW citus.citus_shards AS
    SELECT logicalrelid AS table_name, shardid, shard_name(logicalrelid, shardid) AS shard_name,
        citus_internal.table_type(p) AS citus_table_type, colocationid AS colocation_id,
        nodename, nodeport,
        pg_total_relation_size(logicalrelid)
            / (SELECT count(*) FROM pg_dist_shard s WHERE s.logicalrelid = p.logicalrelid) AS shard_size
    FROM pg_dist_partition p JOIN pg_dist_shard USING (logicalrelid) JOIN pg_dist_placement USING (shardid)
        JOIN pg_dist_node USING (groupid)
    ORDER BY logicalrelid::text, shardid;

CREATE VIEW public.citus_tables AS
    SELECT logicalrelid AS table_name, citus_internal.table_type(p) AS citus_table_type,
        coalesce(partkey, '<none>') AS distribution_column, colocationid AS colocation_id,
        pg_size_pretty(pg_total_relation_size(logicalrelid)) AS table_size,
        (SELECT count(*) FROM pg_dist_shard s WHERE s.logicalrelid = p.logicalrelid) AS shard_count,
        pg_get_userbyid(relowner) AS table_owner, amname AS access_method
    FROM pg_dist_partition p JOIN pg_class c ON c.oid = logicalrelid LEFT JOIN pg_am a ON a.oid = relam
    ORDER BY logicalrelid::text;

CREATE VIEW public.citus_schemas AS
    SELECT schemaid::regnamespace AS schema_name, s.colocationid AS colocation_id,
        pg_size_pretty(coalesce(sum(pg_total_relation_size(logicalrelid)), 0)) AS schema_size,
        pg_get_userbyid(nspowner) AS schema_owner
    FROM pg_dist_schema s JOIN pg_namespace n ON n.oid = schemaid
        LEFT JOIN pg_dist_partition p ON p.colocationid = s.colocationid
    GROUP BY schemaid, s.colocationid, nspowner
    ORDER BY schemaid::regnamespace::text;

ALTER VIEW citus.citus_nodes SET SCHEMA pg_catalog;
ALTER VIEW citus.citus_shards SET SCHEMA pg_catalog;
GRANT SELECT ON citus_nodes, citus_shards, public.citus_tables, public.citus_schemas TO public;
