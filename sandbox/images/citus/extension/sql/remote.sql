-- Talking to other nodes. The C functions are for the owner's functions only.
CREATE FUNCTION citus_internal.outer_user() RETURNS name
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'citus_outer_user';
CREATE FUNCTION citus_internal.remote_execute(nodename text, nodeport integer, command text) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'citus_remote_execute';
CREATE FUNCTION citus_internal.remote_essential(nodename text, nodeport integer, command text) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'citus_remote_essential';
CREATE FUNCTION citus_internal.remote_try(nodename text, nodeport integer, command text,
        OUT connected boolean, OUT success boolean, OUT result text)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'citus_remote_try';
REVOKE EXECUTE ON FUNCTION citus_internal.remote_execute, citus_internal.remote_essential,
    citus_internal.remote_try FROM public;

-- Called on the other node when a transaction begins there: it shows that the extension is created.
CREATE FUNCTION pg_catalog.assign_distributed_transaction_id(
        initiator_node_identifier integer, transaction_number bigint, transaction_stamp timestamptz)
    RETURNS void LANGUAGE sql AS '';

CREATE FUNCTION pg_catalog.citus_is_coordinator() RETURNS boolean
    LANGUAGE sql STABLE AS 'SELECT groupid = 0 FROM pg_catalog.pg_dist_local_group';

CREATE FUNCTION pg_catalog.citus_version() RETURNS text
    LANGUAGE sql STABLE AS
    $$SELECT 'Citus ' || current_setting('citus.version') || ' (stand-in that moves no data)'$$;

CREATE FUNCTION citus_internal.ensure_coordinator() RETURNS void
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT citus_is_coordinator() THEN
        RAISE 'operation is not allowed on this node'
            USING HINT = 'Connect to the coordinator and run it again.';
    END IF;
END
$$;

CREATE FUNCTION pg_catalog.citus_get_active_worker_nodes(OUT node_name text, OUT node_port bigint)
    RETURNS SETOF record LANGUAGE sql STABLE AS $$
    SELECT nodename, nodeport FROM pg_catalog.pg_dist_node
    WHERE groupid <> 0 AND isactive AND noderole = 'primary' ORDER BY nodename, nodeport
$$;

-- Every active worker must answer, as the role that runs the statement.
CREATE FUNCTION citus_internal.reach_workers() RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT citus_internal.remote_execute(node_name, node_port::integer, 'SELECT 1')
    FROM citus_get_active_worker_nodes()
    WHERE citus_is_coordinator()
$$;

CREATE FUNCTION citus_internal.reach_workers_of(relation oid) RETURNS void
    LANGUAGE sql AS $$
    SELECT citus_internal.reach_workers()
    FROM pg_catalog.pg_dist_partition WHERE logicalrelid = relation
$$;

CREATE FUNCTION pg_catalog.run_command_on_workers(command text, parallel boolean DEFAULT true,
        OUT nodename text, OUT nodeport integer, OUT success boolean, OUT result text)
    RETURNS SETOF record LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT node_name, node_port::integer, answer.success,
        CASE WHEN connected THEN answer.result
             ELSE format('failed to connect to %s:%s', node_name, node_port) END
    FROM citus_get_active_worker_nodes(),
        citus_internal.remote_try(node_name, node_port::integer, command) answer
$$;

CREATE FUNCTION pg_catalog.run_command_on_all_nodes(command text, parallel boolean DEFAULT true,
        give_warning_for_connection_errors boolean DEFAULT false,
        OUT nodeid integer, OUT success boolean, OUT result text)
    RETURNS SETOF record LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT node.nodeid, answer.success,
        CASE WHEN connected THEN answer.result
             ELSE format('failed to connect to %s:%s', nodename, nodeport) END
    FROM pg_dist_node node, citus_internal.remote_try(nodename, nodeport, command) answer
    WHERE isactive ORDER BY nodeid
$$;

CREATE FUNCTION pg_catalog.citus_check_connection_to_node(nodename text, nodeport integer DEFAULT 5432)
    RETURNS boolean LANGUAGE sql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
    $$SELECT success FROM citus_internal.remote_try(nodename, nodeport, 'SELECT 1')$$;
REVOKE EXECUTE ON FUNCTION pg_catalog.citus_check_connection_to_node FROM public;

CREATE FUNCTION pg_catalog.citus_check_cluster_node_health(OUT from_nodename text, OUT from_nodeport integer,
        OUT to_nodename text, OUT to_nodeport integer, OUT result boolean)
    RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    answer record;
BEGIN
    FOR from_nodename, from_nodeport, to_nodename, to_nodeport IN
        SELECT a.nodename, a.nodeport, b.nodename, b.nodeport
        FROM pg_dist_node a, pg_dist_node b WHERE a.isactive AND b.isactive
        ORDER BY a.nodeid, b.nodeid
    LOOP
        SELECT * INTO answer FROM citus_internal.remote_try(from_nodename, from_nodeport,
            format('SELECT citus_check_connection_to_node(%L, %s)', to_nodename, to_nodeport));
        IF NOT answer.connected THEN
            RAISE WARNING 'connection to the remote node %@%:% failed with the following error: %',
                citus_internal.outer_user(), from_nodename, from_nodeport, answer.result;
        END IF;
        result := CASE WHEN answer.success THEN answer.result::boolean END;
        RETURN NEXT;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION pg_catalog.citus_check_cluster_node_health FROM public;
