-- Membership: pg_dist_node here, and its copy on every worker.

CREATE FUNCTION citus_internal.node_at(name text, port integer) RETURNS pg_dist_node
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    node pg_dist_node;
BEGIN
    SELECT * INTO node FROM pg_dist_node WHERE nodename = name AND nodeport = port;
    IF NOT FOUND THEN
        RAISE 'node at "%:%" does not exist', name, port;
    END IF;
    RETURN node;
END
$$;

-- Writes the list of nodes, and which one it is, to a worker, in the transaction on that worker.
CREATE FUNCTION citus_internal.write_nodes_to(node pg_dist_node) RETURNS void
    LANGUAGE sql AS $$
    SELECT citus_internal.remote_essential(node.nodename, node.nodeport, format(
        'DELETE FROM pg_catalog.pg_dist_node;'
        'INSERT INTO pg_catalog.pg_dist_node'
        ' SELECT * FROM jsonb_populate_recordset(NULL::pg_catalog.pg_dist_node, %L);'
        'UPDATE pg_catalog.pg_dist_local_group SET groupid = %s',
        (SELECT jsonb_agg(to_jsonb(n)) FROM pg_dist_node n), node.groupid))
$$;

-- Writes the list to every active worker, and marks those that do not answer as not synced: the
-- maintenance daemon tries these again.
CREATE FUNCTION citus_internal.sync_nodes(only_unsynced boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    node pg_dist_node;
BEGIN
    FOR node IN
        SELECT * FROM pg_dist_node
        WHERE groupid <> 0 AND isactive AND NOT (only_unsynced AND metadatasynced) ORDER BY nodeid
    LOOP
        BEGIN
            UPDATE pg_dist_node SET metadatasynced = true WHERE nodeid = node.nodeid AND NOT metadatasynced;
            PERFORM citus_internal.write_nodes_to(node);
        EXCEPTION WHEN connection_failure THEN
            UPDATE pg_dist_node SET metadatasynced = false WHERE nodeid = node.nodeid;
        END;
    END LOOP;
END
$$;

CREATE FUNCTION pg_catalog.citus_set_coordinator_host(host text,
        port integer DEFAULT current_setting('port')::integer,
        node_role noderole DEFAULT 'primary', node_cluster name DEFAULT 'default')
    RETURNS void LANGUAGE plpgsql STRICT AS $$
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    UPDATE pg_dist_node SET nodename = host, nodeport = port WHERE groupid = 0;
    IF NOT FOUND THEN
        INSERT INTO pg_dist_node (groupid, nodename, nodeport, hasmetadata, noderole, nodecluster,
            metadatasynced, shouldhaveshards)
        VALUES (0, host, port, true, node_role, node_cluster, true, false);
    END IF;
    PERFORM citus_internal.sync_nodes();
END
$$;

-- Brings what the new node needs before it can take part: extensions and schemas, and the roles.
CREATE FUNCTION citus_internal.copy_objects_to(node pg_dist_node) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    command text;
BEGIN
    FOR command IN
        SELECT citus_internal.role_command(rolname) FROM pg_roles
        WHERE rolname !~ '^pg_' AND oid <> 10 ORDER BY oid
    LOOP
        PERFORM citus_internal.remote_essential(node.nodename, node.nodeport, command);
    END LOOP;
    FOR command IN
        SELECT format('GRANT %I TO %I', roleid::regrole::text, member::regrole::text)
            || CASE WHEN admin_option THEN ' WITH ADMIN OPTION' ELSE '' END
        FROM pg_auth_members WHERE roleid >= 16384 OR member >= 16384
        UNION ALL
        SELECT format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', nspname, nspowner::regrole::text)
        FROM pg_namespace
        WHERE oid >= 16384 AND nspname !~ '^pg_' AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_namespace'::regclass AND objid = pg_namespace.oid
                AND deptype = 'e')
        UNION ALL
        SELECT format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA %I', extname, extnamespace::regnamespace::text)
        FROM pg_extension WHERE extname NOT IN ('citus', 'plpgsql')
    LOOP
        PERFORM citus_internal.remote_essential(node.nodename, node.nodeport, command);
    END LOOP;
END
$$;

CREATE FUNCTION pg_catalog.citus_activate_node(nodename text, nodeport integer) RETURNS integer
    LANGUAGE plpgsql STRICT AS $$
DECLARE
    node pg_dist_node;
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    node := citus_internal.node_at(nodename, nodeport);
    UPDATE pg_dist_node SET isactive = true, hasmetadata = true, metadatasynced = true
    WHERE nodeid = node.nodeid;
    PERFORM citus_internal.write_nodes_to(node), citus_internal.copy_objects_to(node);
    PERFORM citus_internal.sync_nodes();
    RETURN node.nodeid;
END
$$;

CREATE FUNCTION pg_catalog.citus_add_node(nodename text, nodeport integer, groupid integer DEFAULT -1,
        noderole noderole DEFAULT 'primary', nodecluster name DEFAULT 'default')
    RETURNS integer LANGUAGE plpgsql STRICT AS $$
#variable_conflict use_column
DECLARE
    known integer;
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    IF noderole <> 'primary' OR citus_add_node.groupid <> -1 THEN
        RAISE 'the stand-in registers primary nodes in groups of their own only'
            USING ERRCODE = 'feature_not_supported';
    END IF;
    LOCK TABLE pg_dist_node IN EXCLUSIVE MODE;
    SELECT nodeid INTO known FROM pg_dist_node n
    WHERE n.nodename = citus_add_node.nodename AND n.nodeport = citus_add_node.nodeport;
    IF FOUND THEN
        RETURN known;
    END IF;
    IF EXISTS (SELECT FROM pg_dist_node n WHERE n.groupid = 0 AND n.nodename IN ('localhost', '127.0.0.1', '::1'))
        AND citus_add_node.nodename NOT IN ('localhost', '127.0.0.1', '::1')
    THEN
        RAISE 'cannot add a worker node when the coordinator hostname is set to localhost' USING
            DETAIL = 'Worker nodes need to be able to connect to the coordinator to transfer data.',
            HINT = 'Use SELECT citus_set_coordinator_host(''<hostname>'') to configure the coordinator hostname';
    END IF;
    INSERT INTO pg_dist_node (nodename, nodeport, noderole, nodecluster)
    VALUES (citus_add_node.nodename, citus_add_node.nodeport, citus_add_node.noderole, citus_add_node.nodecluster);
    RETURN citus_activate_node(citus_add_node.nodename, citus_add_node.nodeport);
END
$$;

-- Refuses to lose the only placement of a shard.
CREATE FUNCTION citus_internal.ensure_no_only_placement(node pg_dist_node) RETURNS void
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    shard record;
BEGIN
    SELECT s.shardid, s.logicalrelid INTO shard
    FROM pg_dist_placement p JOIN pg_dist_shard s USING (shardid)
    WHERE p.groupid = node.groupid
        AND NOT EXISTS (SELECT FROM pg_dist_placement o
                        WHERE o.shardid = p.shardid AND o.groupid <> p.groupid)
    ORDER BY shardid LIMIT 1;
    IF FOUND THEN
        RAISE 'cannot remove or disable the node %:% because because it contains the only shard placement for shard %',
            node.nodename, node.nodeport, shard.shardid USING
            DETAIL = format('One of the table(s) that prevents the operation complete successfully is %s',
                citus_internal.qualified_name(shard.logicalrelid)),
            HINT = 'To proceed, either drop the tables or use undistribute_table() function to convert them to local tables';
    END IF;
END
$$;

CREATE FUNCTION pg_catalog.citus_remove_node(nodename text, nodeport integer) RETURNS void
    LANGUAGE plpgsql STRICT AS $$
DECLARE
    node pg_dist_node;
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    LOCK TABLE pg_dist_node IN EXCLUSIVE MODE;
    node := citus_internal.node_at(nodename, nodeport);
    PERFORM citus_internal.ensure_no_only_placement(node);
    DELETE FROM pg_dist_placement WHERE groupid = node.groupid;
    DELETE FROM pg_dist_node WHERE nodeid = node.nodeid;
    PERFORM citus_internal.sync_nodes();
END
$$;

CREATE FUNCTION pg_catalog.citus_disable_node(nodename text, nodeport integer,
        synchronous boolean DEFAULT false)
    RETURNS void LANGUAGE plpgsql STRICT AS $$
DECLARE
    node pg_dist_node;
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    node := citus_internal.node_at(nodename, nodeport);
    PERFORM citus_internal.ensure_no_only_placement(node);
    DELETE FROM pg_dist_placement WHERE groupid = node.groupid;
    UPDATE pg_dist_node SET isactive = false, metadatasynced = false WHERE nodeid = node.nodeid;
    PERFORM citus_internal.sync_nodes();
END
$$;

CREATE FUNCTION pg_catalog.citus_set_node_property(nodename text, nodeport integer, property text, value boolean)
    RETURNS void LANGUAGE plpgsql STRICT AS $$
DECLARE
    node pg_dist_node;
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    node := citus_internal.node_at(nodename, nodeport);
    IF property <> 'shouldhaveshards' THEN
        RAISE 'only the ''shouldhaveshards'' property can be set using this function';
    END IF;
    UPDATE pg_dist_node SET shouldhaveshards = value WHERE nodeid = node.nodeid;
    PERFORM citus_internal.sync_nodes();
END
$$;

CREATE FUNCTION pg_catalog.citus_update_node(node_id integer, new_node_name text, new_node_port integer,
        force boolean DEFAULT false, lock_cooldown integer DEFAULT 10000)
    RETURNS void LANGUAGE plpgsql STRICT AS $$
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    UPDATE pg_dist_node SET nodename = new_node_name, nodeport = new_node_port WHERE nodeid = node_id;
    IF NOT FOUND THEN
        RAISE 'could not find valid entry for node %', node_id;
    END IF;
    PERFORM citus_internal.sync_nodes();
END
$$;

REVOKE EXECUTE ON FUNCTION citus_set_coordinator_host, citus_activate_node, citus_add_node,
    citus_remove_node, citus_disable_node, citus_set_node_property, citus_update_node,
    citus_internal.write_nodes_to, citus_internal.sync_nodes, citus_internal.copy_objects_to FROM public;
