/*
 * Connections to other nodes: to the database of the same name, as the role that runs the
 * statement, with the passwords that libpq finds (PGPASSWORD, then PGPASSFILE) or
 * pg_dist_authinfo names.
 *
 * A connection of a transaction begins one on the other node and ends it with the local one.
 */
#include "citus.h"

#include <libpq-fe.h>

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define MAX_PARAMETERS 32

typedef struct Remote
{
	struct Remote *next;
	char	   *key;			/* see remote_key() */
	PGconn	   *connection;
	int			level;			/* nesting level of the (sub)transaction that began it */
} Remote;

static Remote *remotes = NULL;

bool
remote_is_internal_session(void)
{
	return application_name != NULL &&
		strncmp(application_name, INTERNAL_SESSION, strlen(INTERNAL_SESSION)) == 0;
}

static void
close_remote(Remote *remote)
{
	Remote	  **link = &remotes;

	while (*link != remote)
		link = &(*link)->next;
	*link = remote->next;
	PQfinish(remote->connection);
	pfree(remote->key);
	pfree(remote);
}

/* user@host:port, with a star in front of a connection that has no part in the transaction. */
static char *
remote_key(const char *host, int port, bool transactional)
{
	return psprintf("%s%s@%s:%d", transactional ? "" : "*",
					GetUserNameFromId(GetOuterUserId(), false), host, port);
}

static Remote *
find_remote(const char *key)
{
	Remote	   *remote = remotes;

	while (remote != NULL && strcmp(remote->key, key) != 0)
		remote = remote->next;
	return remote;
}

/* Runs a command and returns its last result; the caller looks at its status. Interruptible. */
static PGresult *
execute(PGconn *connection, const char *command)
{
	PGresult   *last = NULL;
	PGresult   *result;

	if (!PQsendQuery(connection, command))
		return PQmakeEmptyPGresult(connection, PGRES_FATAL_ERROR);
	for (;;)
	{
		while (PQisBusy(connection))
		{
			int			event = WaitLatchOrSocket(MyLatch,
												  WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH,
												  PQsocket(connection), -1L, PG_WAIT_EXTENSION);

			if (event & WL_LATCH_SET)
			{
				ResetLatch(MyLatch);
				CHECK_FOR_INTERRUPTS();
			}
			if ((event & WL_SOCKET_READABLE) && !PQconsumeInput(connection))
				break;
		}
		result = PQgetResult(connection);
		if (result == NULL)
			return last;
		if (last != NULL)
		{
			if (PQresultStatus(last) == PGRES_FATAL_ERROR)
			{
				PQclear(result);
				continue;
			}
			PQclear(last);
		}
		last = result;
		if (PQstatus(connection) == CONNECTION_BAD)
			return last;
	}
}

/* The conninfo that pg_dist_authinfo has for a role on a node, or NULL. */
static char *
authinfo(const char *user, const char *host, int port)
{
	Oid			types[3] = {NAMEOID, TEXTOID, INT4OID};
	NameData	name;
	Datum		values[3] = {NameGetDatum(&name), CStringGetTextDatum(host), Int32GetDatum(port)};
	char	   *found = NULL;
	MemoryContext caller = CurrentMemoryContext;
	Oid			saved_user;
	int			saved_context;

	namestrcpy(&name, user);
	GetUserIdAndSecContext(&saved_user, &saved_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, saved_context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	SPI_execute_with_args("SELECT authinfo FROM pg_catalog.pg_dist_authinfo"
						  " WHERE rolename = $1 AND nodeid IN (0,"
						  "  (SELECT nodeid FROM pg_catalog.pg_dist_node WHERE nodename = $2 AND nodeport = $3))"
						  " ORDER BY nodeid DESC LIMIT 1",
						  3, types, values, NULL, true, 1);
	if (SPI_processed == 1)
		found = MemoryContextStrdup(caller, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	SPI_finish();
	SetUserIdAndSecContext(saved_user, saved_context);
	return found;
}

/* Adds the settings of a conninfo string to the parameters of a connection. */
static void
add_conninfo(const char *conninfo, const char **keywords, const char **values, int *count)
{
	char	   *error = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &error);

	if (options == NULL)
		ereport(ERROR, (errmsg("the connection settings of a node are not valid: %s", error)));
	for (PQconninfoOption *option = options; option->keyword != NULL; option++)
		if (option->val != NULL && *count < MAX_PARAMETERS)
		{
			keywords[*count] = pstrdup(option->keyword);
			values[(*count)++] = pstrdup(option->val);
		}
	PQconninfoFree(options);
}

/* Opens a connection; NULL, with the reason in *message, when that fails. */
static Remote *
open_remote(const char *host, int port, bool transactional, char **message)
{
	const char *user = GetUserNameFromId(GetOuterUserId(), false);
	const char *keywords[MAX_PARAMETERS + 1] = {"host", "port", "dbname", "user",
	"application_name", "connect_timeout", "client_encoding"};
	const char *values[MAX_PARAMETERS + 1] = {host, psprintf("%d", port),
		get_database_name(MyDatabaseId), user, INTERNAL_SESSION " gpid=0",
	psprintf("%d", Max(2, node_connection_timeout_ms / 1000)), "UTF8"};
	int			count = 7;
	char	   *credentials;
	Remote	   *remote;

	add_conninfo(node_conninfo, keywords, values, &count);
	credentials = authinfo(user, host, port);
	if (credentials != NULL)
		add_conninfo(credentials, keywords, values, &count);
	keywords[count] = values[count] = NULL;

	remote = MemoryContextAllocZero(TopMemoryContext, sizeof(Remote));
	remote->key = MemoryContextStrdup(TopMemoryContext, remote_key(host, port, transactional));
	remote->level = GetCurrentTransactionNestLevel();
	remote->connection = PQconnectdbParams(keywords, values, false);
	remote->next = remotes;
	remotes = remote;
	if (PQstatus(remote->connection) != CONNECTION_OK)
	{
		char	   *text = PQerrorMessage(remote->connection);
		char	   *colon;

		/* libpq says where it dialled first; Citus' message names the node itself */
		if (strncmp(text, "connection to server ", 21) == 0 && (colon = strstr(text, " failed: ")) != NULL)
			text = colon + 9;
		*message = pchomp(text);
		close_remote(remote);
		return NULL;
	}
	return remote;
}

static void
report_remote_error(int level, PGresult *result, PGconn *connection, const char *host, int port)
{
	char	   *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	char	   *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	char	   *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	char	   *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);

	primary = primary ? pstrdup(primary) : pchomp(PQerrorMessage(connection));
	detail = detail ? pstrdup(detail) : NULL;
	hint = hint ? pstrdup(hint) : NULL;
	ereport(level,
			(errcode(state ? MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4])
					 : ERRCODE_CONNECTION_FAILURE),
			 errmsg("%s", primary),
			 detail ? errdetail("%s", detail) : 0,
			 hint ? errhint("%s", hint) : 0,
			 errcontext("while executing command on %s:%d", host, port)));
}

static bool
is_success(PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

/* The other node's error as a warning, then an error that names the node: as Citus' own commands do. */
static void
fail_essential(PGresult *result, PGconn *connection, const char *host, int port)
{
	report_remote_error(WARNING, result, connection, host, port);
	ereport(ERROR, (errcode(ERRCODE_CONNECTION_EXCEPTION),
					errmsg("failure on connection marked as essential: %s:%d", host, port)));
}

/* First column of the first row, or the command's tag. */
static text *
result_text(PGresult *result)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		return cstring_to_text(PQcmdStatus(result));
	if (PQntuples(result) == 0 || PQnfields(result) == 0 || PQgetisnull(result, 0, 0))
		return cstring_to_text("");
	return cstring_to_text(PQgetvalue(result, 0, 0));
}

/* The transaction's connection to a node, opened and begun when there is none yet. */
static Remote *
transaction_remote(const char *host, int port)
{
	Remote	   *remote = find_remote(remote_key(host, port, true));
	char	   *message = NULL;
	PGresult   *result;

	if (remote != NULL)
		return remote;
	remote = open_remote(host, port, true, &message);
	if (remote == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("connection to the remote node %s@%s:%d failed with the following error: %s",
						GetUserNameFromId(GetOuterUserId(), false), host, port, message)));
	/* the second command fails where the database lacks the extension */
	result = execute(remote->connection,
					 "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED;"
					 "SELECT assign_distributed_transaction_id(0, 1, '2000-01-01 00:00:00+00')");
	if (!is_success(result))
		fail_essential(result, remote->connection, host, port);
	PQclear(result);
	return remote;
}

PG_FUNCTION_INFO_V1(citus_remote_execute);

/*
 * remote_execute(nodename text, nodeport int, command text) → text: runs the command in the
 * transaction on that node, and fails with its error.
 */
Datum
citus_remote_execute(PG_FUNCTION_ARGS)
{
	char	   *host = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			port = PG_GETARG_INT32(1);
	Remote	   *remote = transaction_remote(host, port);
	PGresult   *result = execute(remote->connection, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	text	   *answer;

	if (!is_success(result))
		report_remote_error(ERROR, result, remote->connection, host, port);
	answer = result_text(result);
	PQclear(result);
	PG_RETURN_TEXT_P(answer);
}

PG_FUNCTION_INFO_V1(citus_remote_essential);

/*
 * remote_essential(nodename text, nodeport int, command text): as remote_execute, for what keeps a
 * node's metadata right; fails with a warning and an error.
 */
Datum
citus_remote_essential(PG_FUNCTION_ARGS)
{
	char	   *host = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			port = PG_GETARG_INT32(1);
	Remote	   *remote = transaction_remote(host, port);
	PGresult   *result = execute(remote->connection, text_to_cstring(PG_GETARG_TEXT_PP(2)));

	if (!is_success(result))
		fail_essential(result, remote->connection, host, port);
	PQclear(result);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(citus_remote_try);

/*
 * remote_try(nodename text, nodeport int, command text, OUT connected bool, OUT success bool,
 * OUT result text): runs the command outside the transaction; a failure is a row, not an error.
 */
Datum
citus_remote_try(PG_FUNCTION_ARGS)
{
	char	   *host = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			port = PG_GETARG_INT32(1);
	char	   *command = text_to_cstring(PG_GETARG_TEXT_PP(2));
	char	   *message = NULL;
	Remote	   *remote = open_remote(host, port, false, &message);
	TupleDesc	description;
	Datum		values[3] = {BoolGetDatum(remote != NULL), BoolGetDatum(false), (Datum) 0};
	bool		nulls[3] = {false, false, false};

	if (get_call_result_type(fcinfo, NULL, &description) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "remote_try needs a composite result");
	if (remote == NULL)
		values[2] = CStringGetTextDatum(message);
	else
	{
		PGresult   *result = execute(remote->connection, command);

		if (is_success(result))
		{
			values[1] = BoolGetDatum(true);
			values[2] = PointerGetDatum(result_text(result));
		}
		else
		{
			char	   *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

			values[2] = CStringGetTextDatum(primary ? psprintf("ERROR:  %s", primary)
											: pchomp(PQerrorMessage(remote->connection)));
		}
		PQclear(result);
		close_remote(remote);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls)));
}

/* Ends the transactions on the other nodes with the local one. */
static void
on_transaction_event(XactEvent event, void *unused)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PARALLEL_PRE_COMMIT)
	{
		while (remotes != NULL)
		{
			PGresult   *result = execute(remotes->connection, "COMMIT");
			bool		committed = strcmp(PQcmdStatus(result), "COMMIT") == 0;

			PQclear(result);
			if (!committed)
				ereport(ERROR, (errcode(ERRCODE_CONNECTION_FAILURE),
								errmsg("failure on connection marked as essential: %s", remotes->key)));
			close_remote(remotes);
		}
	}
	else if (event == XACT_EVENT_PRE_PREPARE && remotes != NULL)
		ereport(ERROR, (errmsg("cannot PREPARE a transaction that has used other nodes")));
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		while (remotes != NULL)
			close_remote(remotes);
}

/* A closed connection rolls back what an aborted subtransaction did on the other node. */
static void
on_subtransaction_event(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void *unused)
{
	int			level = GetCurrentTransactionNestLevel();
	Remote	   *next;

	for (Remote *remote = remotes; remote != NULL; remote = next)
	{
		next = remote->next;
		if (remote->level < level)
			continue;
		if (event == SUBXACT_EVENT_ABORT_SUB)
			close_remote(remote);
		else if (event == SUBXACT_EVENT_COMMIT_SUB)
			remote->level = level - 1;
	}
}

void
remote_init(void)
{
	RegisterXactCallback(on_transaction_event, NULL);
	RegisterSubXactCallback(on_subtransaction_event, NULL);
}
