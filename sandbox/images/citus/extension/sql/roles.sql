-- Roles and statements that workers must have too. Called by the library's hook, as the owner.

CREATE FUNCTION pg_catalog.worker_create_or_alter_role(role_name text, create_role_utility_query text,
        alter_role_utility_query text)
    RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
        EXECUTE alter_role_utility_query;
        RETURN false;
    END IF;
    EXECUTE create_role_utility_query;
    RETURN true;
END
$$;

-- The command that makes a role on another node what it is here, password verifier included.
CREATE FUNCTION citus_internal.role_command(role name) RETURNS text
    LANGUAGE sql STABLE AS $$
    SELECT format('SELECT pg_catalog.worker_create_or_alter_role(%L, %L, %L)',
        rolname, format('CREATE ROLE %I WITH %s', rolname, options),
        format('ALTER ROLE %I WITH %s', rolname, options))
    FROM pg_authid, concat_ws(' ',
        CASE WHEN rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END,
        CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
        CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,
        CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
        CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
        CASE WHEN rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END,
        CASE WHEN rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END,
        format('CONNECTION LIMIT %s', rolconnlimit),
        format('PASSWORD %L', rolpassword),
        format('VALID UNTIL %L', coalesce(rolvaliduntil, 'infinity'))) options
    WHERE rolname = role
$$;

CREATE FUNCTION citus_internal.propagate_statement(statement text) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM citus_internal.ensure_coordinator();
    PERFORM citus_internal.remote_execute(node_name, node_port::integer, statement)
    FROM citus_get_active_worker_nodes();
END
$$;

CREATE FUNCTION citus_internal.propagate_role(role text) RETURNS void
    LANGUAGE sql AS
    'SELECT citus_internal.propagate_statement(citus_internal.role_command(role::name))';

REVOKE EXECUTE ON FUNCTION citus_internal.role_command, citus_internal.propagate_statement,
    citus_internal.propagate_role FROM public;
