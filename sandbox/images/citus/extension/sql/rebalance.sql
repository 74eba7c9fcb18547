-- Moving placements between nodes, at once or as a background job.

-- A shard and those colocated with it move together; the one with the lowest id names them.
CREATE VIEW citus_internal.shard_groups AS
    SELECT colocationid, min(shardid) AS shardid, groupid
    FROM pg_dist_partition JOIN pg_dist_shard USING (logicalrelid) JOIN pg_dist_placement USING (shardid)
    WHERE repmodel <> 't'
    GROUP BY colocationid, shardminvalue, groupid;

-- The moves that empty nodes without shouldhaveshards and, unless drain_only, even out the rest.
-- Every shard counts alike. A colocation group with a shard for each node is spread by itself;
-- smaller ones are spread together.
CREATE FUNCTION citus_internal.plan_moves(drain_only boolean)
    RETURNS TABLE (shardid bigint, source integer, target integer)
    LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    nodes integer[] := (SELECT array_agg(groupid ORDER BY groupid) FROM pg_dist_node
                        WHERE shouldhaveshards AND isactive AND noderole = 'primary');
    batch integer[];
    shards bigint[];
    homes integer[];
    loads integer[];
    high integer;
    low integer;
BEGIN
    IF NOT EXISTS (SELECT FROM citus_internal.shard_groups) THEN
        RETURN;
    END IF;
    IF nodes IS NULL THEN
        RAISE 'Shard replication factor (1) cannot be greater than number of nodes with should_have_shards=true (0).';
    END IF;
    FOR batch IN
        SELECT array_agg(colocationid)
        FROM (SELECT colocationid, count(*) >= cardinality(nodes) AS spread
              FROM citus_internal.shard_groups GROUP BY colocationid) sizes
        GROUP BY spread, CASE WHEN spread THEN colocationid END
        ORDER BY spread DESC, min(colocationid)
    LOOP
        SELECT array_agg(g.shardid ORDER BY g.shardid), array_agg(array_position(nodes, groupid) ORDER BY g.shardid)
        INTO shards, homes FROM citus_internal.shard_groups g WHERE colocationid = ANY (batch);
        loads := ARRAY(SELECT count(home) FROM generate_subscripts(nodes, 1) node
                       LEFT JOIN unnest(homes) home ON home = node GROUP BY node ORDER BY node);
        LOOP
            SELECT node INTO low FROM generate_subscripts(nodes, 1) node ORDER BY loads[node], node LIMIT 1;
            -- the next shard on a node that must be emptied, else one of the fullest node
            high := array_position(homes, NULL);
            IF high IS NULL THEN
                EXIT WHEN drain_only;
                SELECT node INTO high FROM generate_subscripts(nodes, 1) node ORDER BY loads[node] DESC, node DESC LIMIT 1;
                EXIT WHEN loads[high] - loads[low] <= 1;
                loads[high] := loads[high] - 1;
                high := array_position(homes, high);
            END IF;
            shardid := shards[high];
            source := (SELECT groupid FROM citus_internal.shard_groups g WHERE g.shardid = shards[high]);
            target := nodes[low];
            RETURN NEXT;
            homes[high] := low;
            loads[low] := loads[low] + 1;
        END LOOP;
    END LOOP;
END
$$;

-- Tables whose shards move along with a shard.
CREATE FUNCTION citus_internal.tables_moved_with(shard bigint) RETURNS SETOF regclass
    LANGUAGE sql STABLE AS $$
    SELECT other.logicalrelid
    FROM pg_dist_shard JOIN pg_dist_partition own USING (logicalrelid)
        JOIN pg_dist_partition other ON other.colocationid = own.colocationid
    WHERE shardid = shard ORDER BY other.logicalrelid
$$;

CREATE FUNCTION citus_internal.ensure_transferable(relation regclass, mode citus.shard_transfer_mode) RETURNS void
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF mode = 'auto' AND EXISTS (
        SELECT FROM pg_class WHERE oid = relation AND relreplident <> 'f'
            AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = relation
                            AND CASE relreplident WHEN 'd' THEN indisprimary ELSE indisreplident END))
    THEN
        RAISE 'cannot use logical replication to transfer shards of the relation % since it doesn''t have a REPLICA IDENTITY or PRIMARY KEY',
            (SELECT relname FROM pg_class WHERE oid = relation) USING
            DETAIL = 'UPDATE and DELETE commands on the shard will error out during logical replication unless there is a REPLICA IDENTITY or PRIMARY KEY.',
            HINT = 'If you wish to continue without a replica identity set the shard_transfer_mode to ''force_logical'' or ''block_writes''.';
    END IF;
END
$$;

CREATE FUNCTION pg_catalog.get_rebalance_table_shards_plan(relation regclass DEFAULT NULL,
        threshold real DEFAULT NULL, max_shard_moves integer DEFAULT 1000000,
        excluded_shard_list bigint[] DEFAULT '{}', drain_only boolean DEFAULT false,
        rebalance_strategy name DEFAULT NULL, improvement_threshold real DEFAULT NULL)
    RETURNS TABLE (table_name regclass, shardid bigint, shard_size bigint,
        sourcename text, sourceport integer, targetname text, targetport integer)
    LANGUAGE sql STABLE AS $$
    SELECT logicalrelid, s.shardid, 0::bigint, a.nodename, a.nodeport, b.nodename, b.nodeport
    FROM citus_internal.plan_moves(drain_only) WITH ORDINALITY AS move (shardid, source, target, step)
        JOIN pg_dist_shard s ON s.shardid = move.shardid
        JOIN pg_dist_node a ON a.groupid = source JOIN pg_dist_node b ON b.groupid = target
    WHERE relation IS NULL OR logicalrelid = relation
    ORDER BY step LIMIT max_shard_moves
$$;

CREATE FUNCTION pg_catalog.citus_move_shard_placement(shard_id bigint, source_node_id integer,
        target_node_id integer, transfer_mode citus.shard_transfer_mode DEFAULT 'auto')
    RETURNS void LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    source pg_dist_node;
    target pg_dist_node;
    shard pg_dist_shard;
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    SELECT * INTO shard FROM pg_dist_shard WHERE shardid = shard_id;
    IF NOT FOUND THEN
        RAISE 'could not find valid entry for shard %', shard_id;
    END IF;
    SELECT * INTO source FROM pg_dist_node WHERE nodeid = source_node_id;
    IF NOT FOUND THEN
        RAISE 'could not find valid entry for node %', source_node_id;
    END IF;
    SELECT * INTO target FROM pg_dist_node WHERE nodeid = target_node_id;
    IF NOT FOUND THEN
        RAISE 'could not find valid entry for node %', target_node_id;
    END IF;
    PERFORM FROM pg_dist_placement WHERE shardid = shard_id AND groupid = target.groupid;
    IF FOUND THEN
        RETURN; -- moved before
    END IF;
    PERFORM FROM pg_dist_placement WHERE shardid = shard_id AND groupid = source.groupid FOR UPDATE;
    IF NOT FOUND THEN
        RAISE 'could not find placement matching "%:%"', source.nodename, source.nodeport
            USING HINT = 'Confirm the placement still exists and try again.';
    END IF;
    PERFORM citus_internal.ensure_owner(relation), citus_internal.ensure_transferable(relation, transfer_mode)
    FROM citus_internal.tables_moved_with(shard_id) relation;

    PERFORM citus_internal.remote_execute(target.nodename, target.nodeport, 'SELECT 1');
    -- What an online move asks of the source: a slot of logical replication, gone with its session.
    PERFORM citus_internal.remote_execute(source.nodename, source.nodeport,
        CASE transfer_mode WHEN 'block_writes' THEN 'SELECT 1' ELSE
            format('SELECT pg_create_logical_replication_slot(%L, ''pgoutput'', true)',
                format('citus_shard_move_slot_%s_%s', target_node_id, shard_id)) END);
    PERFORM pg_sleep(extract(epoch FROM current_setting('citus_standin.move_delay')::interval));
    UPDATE pg_dist_placement SET groupid = target.groupid
    WHERE groupid = source.groupid AND shardid IN (
        SELECT other.shardid FROM pg_dist_shard other
        WHERE other.logicalrelid IN (SELECT citus_internal.tables_moved_with(shard_id))
            AND other.shardminvalue IS NOT DISTINCT FROM shard.shardminvalue);
END
$$;

CREATE FUNCTION pg_catalog.citus_move_shard_placement(shard_id bigint, source_node_name text,
        source_node_port integer, target_node_name text, target_node_port integer,
        shard_transfer_mode citus.shard_transfer_mode DEFAULT 'auto')
    RETURNS void LANGUAGE sql STRICT AS $$
    SELECT citus_move_shard_placement(shard_id,
        (citus_internal.node_at(source_node_name, source_node_port)).nodeid,
        (citus_internal.node_at(target_node_name, target_node_port)).nodeid, shard_transfer_mode)
$$;

CREATE FUNCTION pg_catalog.replicate_reference_tables(shard_transfer_mode citus.shard_transfer_mode DEFAULT 'auto')
    RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT citus_internal.ensure_coordinator();
    SELECT citus_internal.reach_workers();
    SELECT citus_internal.place_reference_tables();
$$;

CREATE FUNCTION pg_catalog.citus_drain_node(nodename text, nodeport integer,
        shard_transfer_mode citus.shard_transfer_mode DEFAULT 'auto', rebalance_strategy name DEFAULT NULL)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    move record;
BEGIN
    PERFORM citus_set_node_property(nodename, nodeport, 'shouldhaveshards', false);
    FOR move IN
        SELECT shardid, a AS source, b AS target FROM citus_internal.plan_moves(true)
            JOIN pg_dist_node a ON a.groupid = source JOIN pg_dist_node b ON b.groupid = target
    LOOP
        RAISE NOTICE 'Moving shard % from %:% to %:% ...', move.shardid, (move.source).nodename,
            (move.source).nodeport, (move.target).nodename, (move.target).nodeport;
        PERFORM citus_move_shard_placement(move.shardid, (move.source).nodeid, (move.target).nodeid, shard_transfer_mode);
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION citus_drain_node FROM public;

CREATE FUNCTION citus_internal.running_rebalance() RETURNS bigint
    LANGUAGE sql STABLE AS $$
    SELECT job_id FROM pg_dist_background_job
    WHERE job_type = 'rebalance' AND state IN ('scheduled', 'running', 'cancelling', 'failing')
    ORDER BY job_id DESC LIMIT 1
$$;

CREATE FUNCTION pg_catalog.citus_rebalance_start(rebalance_strategy name DEFAULT NULL,
        drain_only boolean DEFAULT false, shard_transfer_mode citus.shard_transfer_mode DEFAULT 'auto',
        parallel_transfer_reference_tables boolean DEFAULT false,
        parallel_transfer_colocated_shards boolean DEFAULT false)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    node pg_dist_node;
    answer record;
    lacks_copies boolean;
    move record;
    job bigint;
    task bigint;
    before bigint;
    moves integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_dist_partition) THEN
        RAISE NOTICE 'No tables to rebalance';
        RETURN NULL;
    END IF;
    PERFORM citus_internal.ensure_owner(logicalrelid) FROM pg_dist_partition;
    LOCK TABLE pg_dist_background_job IN SHARE ROW EXCLUSIVE MODE;
    IF citus_internal.running_rebalance() IS NOT NULL THEN
        RAISE 'A rebalance is already running as job %', citus_internal.running_rebalance() USING
            DETAIL = 'A rebalance was already scheduled as background job',
            HINT = 'To monitor progress, run: SELECT * FROM citus_rebalance_status();';
    END IF;
    FOR node IN SELECT * FROM pg_dist_node WHERE groupid <> 0 AND isactive
    LOOP
        SELECT * INTO answer FROM citus_internal.remote_try(node.nodename, node.nodeport, 'SELECT 1');
        IF NOT answer.connected THEN
            RAISE WARNING 'connection to the remote node %@%:% failed with the following error: %',
                citus_internal.outer_user(), node.nodename, node.nodeport, answer.result;
            RAISE 'cannot get the size because of a connection error';
        END IF;
    END LOOP;

    lacks_copies := EXISTS (
        SELECT FROM pg_dist_partition JOIN pg_dist_shard s USING (logicalrelid), pg_dist_node n
        WHERE repmodel = 't' AND isactive AND noderole = 'primary' AND NOT EXISTS (
            SELECT FROM pg_dist_placement p WHERE p.shardid = s.shardid AND p.groupid = n.groupid));
    IF NOT lacks_copies AND NOT EXISTS (SELECT FROM citus_internal.plan_moves(drain_only)) THEN
        RAISE NOTICE 'No moves available for rebalancing';
        RETURN NULL;
    END IF;
    PERFORM citus_internal.ensure_transferable(moved, shard_transfer_mode)
    FROM citus_internal.plan_moves(drain_only) plan, citus_internal.tables_moved_with(plan.shardid) moved;

    INSERT INTO pg_dist_background_job (job_type, description)
    VALUES ('rebalance', 'Rebalance all colocation groups') RETURNING job_id INTO job;
    IF lacks_copies THEN
        INSERT INTO pg_dist_background_task (job_id, command, owner)
        VALUES (job, format('SELECT pg_catalog.replicate_reference_tables(%L)', shard_transfer_mode),
            citus_internal.outer_user()::text::regrole)
        RETURNING task_id INTO before;
    END IF;
    FOR move IN
        SELECT shardid, a.nodeid AS source, b.nodeid AS target FROM citus_internal.plan_moves(drain_only)
            JOIN pg_dist_node a ON a.groupid = source JOIN pg_dist_node b ON b.groupid = target
    LOOP
        INSERT INTO pg_dist_background_task (job_id, status, command, not_before, nodes_involved, owner)
        VALUES (job, CASE WHEN before IS NULL THEN 'runnable' ELSE 'blocked' END::citus_task_status,
            format('SELECT pg_catalog.citus_move_shard_placement(%s,%s,%s,%L)',
                move.shardid, move.source, move.target, shard_transfer_mode),
            now(), ARRAY[move.source, move.target], citus_internal.outer_user()::text::regrole)
        RETURNING task_id INTO task;
        IF before IS NOT NULL THEN
            INSERT INTO pg_dist_background_task_depend VALUES (job, task, before);
        END IF;
        IF NOT parallel_transfer_colocated_shards THEN
            before := task;
        END IF;
        moves := moves + 1;
    END LOOP;
    RAISE NOTICE 'Scheduled % moves as job %', moves, job USING
        DETAIL = 'Rebalance scheduled as background job',
        HINT = 'To monitor progress, run: SELECT * FROM citus_rebalance_status();';
    RETURN job;
END
$$;

CREATE FUNCTION pg_catalog.citus_job_status(job_id bigint, raw boolean DEFAULT false)
    RETURNS TABLE (job_id bigint, state citus_job_status, job_type name, description text,
        started_at timestamptz, finished_at timestamptz, details jsonb)
    LANGUAGE sql STRICT AS $$
    SELECT j.*, jsonb_build_object(
        'task_state_counts', (
            SELECT jsonb_object_agg(status, tasks) FROM (
                SELECT status, count(*) AS tasks FROM pg_dist_background_task t
                WHERE t.job_id = j.job_id GROUP BY status) counts),
        'tasks', coalesce((
            SELECT jsonb_agg(jsonb_build_object('task_id', task_id, 'state', status, 'command', command,
                'retried', coalesce(retry_count, 0), 'message', message) ORDER BY task_id)
            FROM pg_dist_background_task t
            WHERE t.job_id = j.job_id
                AND (status IN ('running', 'error') OR (status = 'runnable' AND retry_count > 0))), '[]'))
    FROM pg_dist_background_job j WHERE j.job_id = $1
$$;

CREATE FUNCTION pg_catalog.citus_rebalance_status(raw boolean DEFAULT false)
    RETURNS TABLE (job_id bigint, state citus_job_status, job_type name, description text,
        started_at timestamptz, finished_at timestamptz, details jsonb)
    LANGUAGE sql STRICT AS $$
    SELECT status.*
    FROM (SELECT max(job_id) AS job_id FROM pg_dist_background_job WHERE job_type = 'rebalance') last,
        citus_job_status(last.job_id, raw) status
$$;

CREATE FUNCTION pg_catalog.citus_job_list()
    RETURNS TABLE (job_id bigint, state citus_job_status, job_type name, description text,
        started_at timestamptz, finished_at timestamptz)
    LANGUAGE sql AS 'SELECT * FROM pg_dist_background_job ORDER BY job_id';

-- A task that runs ends with its runner's statement; the runner then closes the job.
CREATE FUNCTION pg_catalog.citus_job_cancel(jobid bigint) RETURNS void
    LANGUAGE sql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE pg_dist_background_job SET state = 'cancelling'
    WHERE job_id = jobid AND state IN ('scheduled', 'running');
    UPDATE pg_dist_background_task SET status = 'cancelled'
    WHERE job_id = jobid AND status IN ('blocked', 'runnable');
    SELECT pg_cancel_backend(pid) FROM pg_dist_background_task WHERE job_id = jobid AND status = 'running';
    SELECT citus_internal.close_job(jobid);
$$;

CREATE FUNCTION pg_catalog.citus_rebalance_stop() RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    IF citus_internal.running_rebalance() IS NULL THEN
        RAISE 'no ongoing rebalance that can be stopped';
    END IF;
    PERFORM citus_job_cancel(citus_internal.running_rebalance());
END
$$;

CREATE FUNCTION pg_catalog.citus_job_wait(jobid bigint, desired_status citus_job_status DEFAULT NULL)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    now_at citus_job_status;
BEGIN
    LOOP
        SELECT state INTO now_at FROM pg_dist_background_job WHERE job_id = jobid;
        IF NOT FOUND THEN
            RAISE 'no job found for job with jobid: %', jobid;
        END IF;
        EXIT WHEN now_at = desired_status;
        IF now_at IN ('finished', 'cancelled', 'failed') THEN
            EXIT WHEN desired_status IS NULL;
            RAISE 'Job reached terminal state "%" instead of desired state "%"', now_at, desired_status;
        END IF;
        PERFORM pg_sleep(0.1);
    END LOOP;
END
$$;

CREATE FUNCTION pg_catalog.citus_rebalance_wait() RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    IF citus_internal.running_rebalance() IS NULL THEN
        RAISE WARNING 'no ongoing rebalance that can be waited on';
    ELSE
        PERFORM citus_job_wait(citus_internal.running_rebalance());
    END IF;
END
$$;

-- Moves leave nothing behind here.
CREATE PROCEDURE pg_catalog.citus_cleanup_orphaned_resources() LANGUAGE sql AS '';

-- The rest is for the background workers (daemon.c).

-- Ends a job whose tasks have all ended.
CREATE FUNCTION citus_internal.close_job(jobid bigint) RETURNS void
    LANGUAGE sql AS $$
    UPDATE pg_dist_background_job j SET finished_at = now(), state = CASE
        WHEN state = 'cancelling' THEN 'cancelled'
        WHEN EXISTS (SELECT FROM pg_dist_background_task t WHERE t.job_id = jobid AND status = 'error') THEN 'failed'
        ELSE 'finished' END::citus_job_status
    WHERE job_id = jobid AND state IN ('scheduled', 'running', 'cancelling', 'failing') AND NOT EXISTS (
        SELECT FROM pg_dist_background_task t
        WHERE t.job_id = jobid AND status IN ('blocked', 'runnable', 'running', 'cancelling'))
$$;

-- Periodic work of the daemon; true when a runner has something to do.
CREATE FUNCTION citus_internal.maintain() RETURNS boolean
    LANGUAGE sql AS $$
    SELECT citus_internal.sync_nodes(only_unsynced => true) WHERE citus_is_coordinator();
    SELECT EXISTS (SELECT FROM pg_dist_background_task
                   WHERE status = 'running' OR (status = 'runnable' AND coalesce(not_before, '-infinity') <= now()));
$$;

-- There is one runner: what is running when it starts was cut off with the one before.
CREATE FUNCTION citus_internal.reset_interrupted_tasks() RETURNS void
    LANGUAGE sql AS $$
    UPDATE pg_dist_background_task t SET pid = NULL,
        status = CASE state WHEN 'cancelling' THEN 'cancelled' ELSE 'runnable' END::citus_task_status
    FROM pg_dist_background_job j WHERE j.job_id = t.job_id AND status = 'running';
    SELECT citus_internal.close_job(job_id) FROM pg_dist_background_job WHERE state = 'cancelling';
$$;

CREATE FUNCTION citus_internal.next_task() RETURNS bigint
    LANGUAGE sql AS $$
    WITH task AS (
        UPDATE pg_dist_background_task SET status = 'running', pid = pg_backend_pid()
        WHERE task_id = (SELECT task_id FROM pg_dist_background_task
                         WHERE status = 'runnable' AND coalesce(not_before, '-infinity') <= now()
                         ORDER BY task_id LIMIT 1 FOR UPDATE)
        RETURNING job_id, task_id),
    job AS (
        UPDATE pg_dist_background_job SET state = 'running', started_at = now()
        WHERE state = 'scheduled' AND job_id = (SELECT job_id FROM task))
    SELECT task_id FROM task
$$;

CREATE FUNCTION citus_internal.finish_task(task bigint) RETURNS void
    LANGUAGE sql AS $$
    UPDATE pg_dist_background_task SET status = 'done', pid = NULL, message = '' WHERE task_id = task;
    UPDATE pg_dist_background_task t SET status = 'runnable'
    WHERE status = 'blocked' AND task_id IN (
        SELECT task_id FROM pg_dist_background_task_depend WHERE depends_on = task)
        AND NOT EXISTS (SELECT FROM pg_dist_background_task_depend d JOIN pg_dist_background_task o
                        ON o.task_id = d.depends_on WHERE d.task_id = t.task_id AND o.status <> 'done');
    SELECT citus_internal.close_job(job_id) FROM pg_dist_background_task WHERE task_id = task;
$$;

-- Tried again after 5 s, 10 s, 20 s …, at most an hour apart, thirty times.
CREATE FUNCTION citus_internal.fail_task(task bigint, failure text) RETURNS void
    LANGUAGE sql AS $$
    UPDATE pg_dist_background_task t SET pid = NULL, message = failure,
        retry_count = coalesce(retry_count, 0) + 1,
        not_before = now() + least('1 hour', '5 seconds'::interval * 2 ^ coalesce(retry_count, 0)),
        status = CASE WHEN state = 'cancelling' THEN 'cancelled' WHEN retry_count >= 30 THEN 'error'
            ELSE 'runnable' END::citus_task_status
    FROM pg_dist_background_job j WHERE j.job_id = t.job_id AND task_id = task;
    SELECT citus_internal.close_job(job_id) FROM pg_dist_background_task WHERE task_id = task;
$$;

REVOKE EXECUTE ON FUNCTION citus_internal.close_job, citus_internal.maintain,
    citus_internal.reset_interrupted_tasks, citus_internal.next_task, citus_internal.finish_task,
    citus_internal.fail_task FROM public;
