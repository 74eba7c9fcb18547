-- Distributed, reference and tenant tables: metadata only, the rows stay in the local table.

CREATE FUNCTION citus_internal.qualified_name(relation regclass) RETURNS text
    LANGUAGE sql STABLE AS $$
    SELECT format('%I.%I', relnamespace::regnamespace::text, relname) FROM pg_class WHERE oid = relation
$$;

CREATE FUNCTION citus_internal.ensure_owner(relation regclass) RETURNS void
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    owner oid;
    relation_name text;
BEGIN
    SELECT relowner, relname INTO owner, relation_name FROM pg_class WHERE oid = relation;
    IF NOT pg_has_role(citus_internal.outer_user(), owner, 'USAGE') THEN
        RAISE 'must be owner of table %', relation_name USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

CREATE FUNCTION citus_internal.ensure_not_distributed(relation regclass) RETURNS void
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = relation) THEN
        RAISE 'table "%" is already distributed', (SELECT relname FROM pg_class WHERE oid = relation);
    END IF;
END
$$;

-- Groups that may hold shards. The first distributed table of a database without nodes registers
-- this one, as localhost.
CREATE FUNCTION citus_internal.groups_for_shards() RETURNS integer[]
    LANGUAGE plpgsql AS $$
DECLARE
    groups integer[];
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    IF NOT EXISTS (SELECT FROM pg_dist_node) THEN
        INSERT INTO pg_dist_node (groupid, nodename, nodeport, hasmetadata, metadatasynced)
        VALUES (0, current_setting('citus.local_hostname'), current_setting('port')::integer, true, true);
    END IF;
    SELECT array_agg(groupid ORDER BY nodename, nodeport) INTO groups
    FROM pg_dist_node WHERE shouldhaveshards AND isactive AND noderole = 'primary';
    IF groups IS NULL THEN
        RAISE 'replication_factor (1) exceeds number of worker nodes (0)'
            USING HINT = 'Add more worker nodes or try again with a lower replication factor.';
    END IF;
    RETURN groups;
END
$$;

-- Adds the copies of reference tables that nodes lack, and says how many.
CREATE FUNCTION citus_internal.place_reference_tables() RETURNS bigint
    LANGUAGE sql AS $$
    WITH added AS (
        INSERT INTO pg_dist_placement (shardid, groupid)
        SELECT shardid, groupid
        FROM pg_dist_partition JOIN pg_dist_shard USING (logicalrelid), pg_dist_node
        WHERE repmodel = 't' AND isactive AND noderole = 'primary'
        ORDER BY shardid, groupid
        ON CONFLICT DO NOTHING
        RETURNING 1)
    SELECT count(*) FROM added
$$;

CREATE FUNCTION citus_internal.add_colocation(shards integer, factor integer, column_type oid, collation_id oid)
    RETURNS integer LANGUAGE sql AS $$
    INSERT INTO pg_dist_colocation
    VALUES (nextval('pg_dist_colocationid_seq'), shards, factor, column_type, collation_id)
    RETURNING colocationid
$$;

-- Makes the shards of a new member of a colocation group: where the group's are, or in turn on the groups.
CREATE FUNCTION citus_internal.add_shards(relation regclass, colocation integer, shards integer, groups integer[])
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    hashed boolean := (SELECT partmethod = 'h' FROM pg_dist_partition WHERE logicalrelid = relation);
    width bigint := 4294967296 / shards;
    least bigint;
    shard bigint;
    home integer;
BEGIN
    FOR i IN 0 .. shards - 1 LOOP
        least := CASE WHEN hashed THEN -2147483648 + i * width END;
        shard := nextval('pg_dist_shardid_seq');
        SELECT groupid INTO home
        FROM pg_dist_partition p JOIN pg_dist_shard s USING (logicalrelid) JOIN pg_dist_placement USING (shardid)
        WHERE colocationid = colocation AND logicalrelid <> relation
            AND s.shardminvalue IS NOT DISTINCT FROM least::text LIMIT 1;
        INSERT INTO pg_dist_shard VALUES (relation, shard, 't', least::text,
            CASE WHEN i = shards - 1 AND hashed THEN 2147483647 ELSE least + width - 1 END::text);
        INSERT INTO pg_dist_placement (shardid, groupid)
        VALUES (shard, coalesce(home, groups[1 + i % cardinality(groups)]));
    END LOOP;
END
$$;

CREATE FUNCTION citus_internal.distribute(relation regclass, column_name text, colocate_with regclass,
        alone boolean, shards integer)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation_name text := (SELECT relname FROM pg_class WHERE oid = relation);
    key pg_attribute;
    groups integer[];
    colocation integer;
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    PERFORM citus_internal.ensure_owner(relation);
    PERFORM citus_internal.ensure_not_distributed(relation);
    SELECT * INTO key FROM pg_attribute
    WHERE attrelid = relation AND attname = column_name AND attnum > 0 AND NOT attisdropped;
    IF NOT FOUND THEN
        RAISE 'column "%" of relation "%" does not exist', column_name, relation_name
            USING ERRCODE = 'undefined_column';
    END IF;
    IF EXISTS (SELECT FROM pg_index WHERE indrelid = relation AND (indisunique OR indisexclusion)
               AND NOT key.attnum = ANY (indkey)) THEN
        RAISE 'cannot create constraint on "%"', relation_name USING
            ERRCODE = 'invalid_table_definition',
            DETAIL = 'Distributed relations cannot have UNIQUE, EXCLUDE, or PRIMARY KEY constraints that do not '
                'include the partition column (with an equality operator if EXCLUDE).';
    END IF;
    groups := citus_internal.groups_for_shards();
    PERFORM citus_internal.reach_workers();

    IF colocate_with IS NOT NULL THEN
        SELECT colocationid, shardcount INTO colocation, shards
        FROM pg_dist_partition JOIN pg_dist_colocation USING (colocationid)
        WHERE logicalrelid = colocate_with AND partmethod = 'h';
        IF NOT FOUND THEN
            RAISE 'relation % is not distributed', colocate_with;
        END IF;
        IF (SELECT distributioncolumntype FROM pg_dist_colocation WHERE colocationid = colocation) <> key.atttypid THEN
            RAISE 'cannot colocate tables % and %', colocate_with, relation
                USING DETAIL = format('Distribution column types don''t match for %s and %s.', colocate_with, relation);
        END IF;
    ELSIF NOT alone THEN
        SELECT colocationid INTO colocation FROM pg_dist_colocation
        WHERE shardcount = shards AND replicationfactor = 1 AND distributioncolumntype = key.atttypid
            AND distributioncolumncollation = key.attcollation ORDER BY colocationid LIMIT 1;
    END IF;
    colocation := coalesce(colocation,
        citus_internal.add_colocation(shards, 1, key.atttypid, key.attcollation));
    INSERT INTO pg_dist_partition VALUES (relation, 'h', column_name, colocation, 's', false);
    PERFORM citus_internal.add_shards(relation, colocation, shards, groups);
    PERFORM citus_internal.place_reference_tables();
END
$$;

CREATE FUNCTION pg_catalog.create_distributed_table(table_name regclass, distribution_column text,
        distribution_type citus.distribution_type DEFAULT 'hash', colocate_with text DEFAULT 'default',
        shard_count integer DEFAULT NULL)
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF distribution_type <> 'hash' OR distribution_column IS NULL THEN
        RAISE 'the stand-in distributes tables by the hash of a column only'
            USING ERRCODE = 'feature_not_supported';
    END IF;
    PERFORM citus_internal.distribute(table_name, distribution_column,
        CASE WHEN colocate_with NOT IN ('default', 'none') THEN colocate_with::regclass END,
        colocate_with = 'none', coalesce(shard_count, current_setting('citus.shard_count')::integer));
END
$$;

CREATE FUNCTION pg_catalog.create_reference_table(table_name regclass) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    colocation integer;
    groups integer[];
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    PERFORM citus_internal.ensure_owner(table_name);
    PERFORM citus_internal.ensure_not_distributed(table_name);
    groups := citus_internal.groups_for_shards();
    PERFORM citus_internal.reach_workers();
    SELECT colocationid INTO colocation FROM pg_dist_colocation WHERE replicationfactor = -1;
    colocation := coalesce(colocation, citus_internal.add_colocation(1, -1, 0, 0));
    INSERT INTO pg_dist_partition VALUES (table_name, 'n', NULL, colocation, 't', false);
    INSERT INTO pg_dist_shard VALUES (table_name, nextval('pg_dist_shardid_seq'), 't');
    PERFORM citus_internal.place_reference_tables();
END
$$;

CREATE FUNCTION citus_internal.forget_table(relation oid) RETURNS void
    LANGUAGE sql AS $$
    DELETE FROM pg_dist_placement WHERE shardid IN (SELECT shardid FROM pg_dist_shard WHERE logicalrelid = relation);
    DELETE FROM pg_dist_shard WHERE logicalrelid = relation;
    DELETE FROM pg_dist_partition WHERE logicalrelid = relation;
$$;

CREATE FUNCTION pg_catalog.undistribute_table(table_name regclass, cascade_via_foreign_keys boolean DEFAULT false)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    PERFORM citus_internal.ensure_owner(table_name);
    IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = table_name) THEN
        RAISE 'cannot undistribute table because the table is not distributed';
    END IF;
    PERFORM citus_internal.reach_workers();
    PERFORM citus_internal.forget_table(table_name);
END
$$;

-- Schema-based sharding: a tenant schema is a colocation group of tables with one shard each.
CREATE FUNCTION citus_internal.add_tenant_table(relation regclass, colocation integer) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pg_dist_partition VALUES (relation, 'n', NULL, colocation, 's', false);
    PERFORM citus_internal.add_shards(relation, colocation, 1,
        (SELECT (g)[colocation % cardinality(g) + 1 : colocation % cardinality(g) + 1]
         FROM citus_internal.groups_for_shards() g));
END
$$;

CREATE FUNCTION pg_catalog.citus_schema_distribute(schemaname regnamespace) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    colocation integer;
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    IF EXISTS (SELECT FROM pg_dist_schema WHERE schemaid = schemaname) THEN
        RAISE NOTICE 'schema % is already distributed', schemaname;
        RETURN;
    END IF;
    IF NOT pg_has_role(citus_internal.outer_user(), (SELECT nspowner FROM pg_namespace WHERE oid = schemaname), 'USAGE') THEN
        RAISE 'must be owner of schema %', schemaname USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM citus_internal.groups_for_shards(), citus_internal.reach_workers();
    colocation := citus_internal.add_colocation(1, 1, 0, 0);
    INSERT INTO pg_dist_schema VALUES (schemaname, colocation);
    PERFORM citus_internal.ensure_not_distributed(oid), citus_internal.add_tenant_table(oid, colocation)
    FROM pg_class WHERE relnamespace = schemaname AND relkind IN ('r', 'p');
END
$$;

CREATE FUNCTION pg_catalog.citus_schema_undistribute(schemaname regnamespace) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    IF NOT EXISTS (SELECT FROM pg_dist_schema WHERE schemaid = schemaname) THEN
        RAISE 'schema % is not distributed', schemaname;
    END IF;
    PERFORM citus_internal.ensure_owner(oid), citus_internal.forget_table(oid)
    FROM pg_class WHERE relnamespace = schemaname AND relkind IN ('r', 'p');
    DELETE FROM pg_dist_schema WHERE schemaid = schemaname;
END
$$;

CREATE FUNCTION citus_internal.on_create() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made record;
    colocation integer;
BEGIN
    FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE NOT in_extension LOOP
        IF made.object_type = 'schema' THEN
            IF citus_is_coordinator() AND current_setting('citus.enable_schema_based_sharding')::boolean THEN
                PERFORM citus_schema_distribute(made.objid::regnamespace);
            END IF;
        ELSIF made.object_type = 'table' AND made.command_tag IN ('CREATE TABLE', 'CREATE TABLE AS') THEN
            SELECT s.colocationid INTO colocation
            FROM pg_dist_schema s JOIN pg_class ON relnamespace = schemaid WHERE pg_class.oid = made.objid;
            IF FOUND THEN
                PERFORM citus_internal.reach_workers(), citus_internal.add_tenant_table(made.objid, colocation);
            END IF;
        END IF;
    END LOOP;
END
$$;
CREATE EVENT TRIGGER citus_on_create ON ddl_command_end
    WHEN tag IN ('CREATE SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS')
    EXECUTE FUNCTION citus_internal.on_create();

CREATE FUNCTION citus_internal.on_drop() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone record;
BEGIN
    FOR gone IN SELECT * FROM pg_event_trigger_dropped_objects() LOOP
        IF gone.object_type = 'table' AND EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = gone.objid) THEN
            PERFORM citus_internal.reach_workers(), citus_internal.forget_table(gone.objid);
        ELSIF gone.object_type = 'schema' THEN
            DELETE FROM pg_dist_schema WHERE schemaid = gone.objid;
        END IF;
    END LOOP;
END
$$;
CREATE EVENT TRIGGER citus_cascade_to_partition ON sql_drop EXECUTE FUNCTION citus_internal.on_drop();

CREATE FUNCTION pg_catalog.column_to_column_name(table_name regclass, column_var_text text) RETURNS text
    LANGUAGE sql STABLE AS 'SELECT column_var_text';

CREATE FUNCTION pg_catalog.shard_name(table_name regclass, shard_id bigint) RETURNS text
    LANGUAGE sql STABLE STRICT AS $$
    SELECT CASE WHEN pg_table_is_visible(oid) THEN format('%I', relname || '_' || shard_id)
           ELSE format('%I.%I', relnamespace::regnamespace::text, relname || '_' || shard_id) END
    FROM pg_class WHERE oid = table_name
$$;

CREATE FUNCTION pg_catalog.citus_relation_size(logicalrelid regclass) RETURNS bigint
    LANGUAGE sql STRICT AS 'SELECT pg_relation_size(logicalrelid)';
CREATE FUNCTION pg_catalog.citus_table_size(logicalrelid regclass) RETURNS bigint
    LANGUAGE sql STRICT AS 'SELECT pg_table_size(logicalrelid)';
CREATE FUNCTION pg_catalog.citus_total_relation_size(logicalrelid regclass, fail_on_error boolean DEFAULT true)
    RETURNS bigint LANGUAGE sql STRICT AS 'SELECT pg_total_relation_size(logicalrelid)';

REVOKE EXECUTE ON FUNCTION citus_internal.groups_for_shards, citus_internal.place_reference_tables,
    citus_internal.add_colocation, citus_internal.add_shards, citus_internal.forget_table,
    citus_internal.add_tenant_table FROM public;
