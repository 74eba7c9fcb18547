/*
 * Statements that Citus brings to the workers, caught before or after they run here: roles and
 * memberships, extensions, schemas; and those that need every worker: changes of distributed tables.
 */
#include "citus.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"

static ProcessUtility_hook_type next_process_utility = NULL;
static ExecutorStart_hook_type next_executor_start = NULL;

/* The text of one statement out of a string that may hold several. */
static char *
statement_text(PlannedStmt *planned, const char *source)
{
	int			start = Max(planned->stmt_location, 0);
	int			length = planned->stmt_len > 0 ? planned->stmt_len : (int) strlen(source) - start;

	return pnstrdup(source + start, length);
}

static bool
names_citus(List *names)
{
	ListCell   *cell;

	foreach(cell, names)
		if (IsA(lfirst(cell), String) && strcmp(strVal(lfirst(cell)), "citus") == 0)
			return true;
	return false;
}

/* True for statements that workers run in the same words. */
static bool
is_copied_verbatim(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_AlterRoleSetStmt:
		case T_GrantRoleStmt:
		case T_DropRoleStmt:
		case T_CreateSchemaStmt:
			return true;
		case T_CreateExtensionStmt:
			return strcmp(((CreateExtensionStmt *) statement)->extname, "citus") != 0;
		case T_AlterExtensionStmt:
			return strcmp(((AlterExtensionStmt *) statement)->extname, "citus") != 0;
		case T_RenameStmt:
			return ((RenameStmt *) statement)->renameType == OBJECT_ROLE;
		case T_DropStmt:
			return (((DropStmt *) statement)->removeType == OBJECT_EXTENSION ||
					((DropStmt *) statement)->removeType == OBJECT_SCHEMA) &&
				!names_citus(((DropStmt *) statement)->objects);
		default:
			return false;
	}
}

/* The relation that a statement changes and whose shards live on the workers, or NULL. */
static RangeVar *
changed_relation(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_AlterTableStmt:
			return ((AlterTableStmt *) statement)->relation;
		case T_IndexStmt:
			return ((IndexStmt *) statement)->relation;
		default:
			return NULL;
	}
}

static void
process_utility(PlannedStmt *planned, const char *source, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo parameters,
				QueryEnvironment *environment, DestReceiver *receiver, QueryCompletion *completion)
{
	Node	   *statement = planned->utilityStmt;
	char	   *role = NULL;
	char	   *text = NULL;
	RangeVar   *relation = changed_relation(statement);

	if (IsA(statement, CreateRoleStmt))
		role = pstrdup(((CreateRoleStmt *) statement)->role);
	else if (IsA(statement, AlterRoleStmt))
		role = get_rolespec_name(((AlterRoleStmt *) statement)->role);

	/* BEGIN, ROLLBACK and the like may run where no catalog can be read */
	if (context != PROCESS_UTILITY_SUBCOMMAND && !IsA(statement, TransactionStmt) &&
		IsTransactionState() && !remote_is_internal_session() && !IsBackgroundWorker &&
		enable_ddl_propagation && citus_is_created())
	{
		daemon_ensure();
		if (is_copied_verbatim(statement))
			text = statement_text(planned, source);
		if (IsA(statement, CreatedbStmt))
			ereport(NOTICE,
					(errmsg("Citus partially supports CREATE DATABASE for distributed databases"),
					 errdetail("Citus does not propagate CREATE DATABASE command to other nodes"),
					 errhint("You can manually create a database and its extensions on other nodes.")));
		if (relation != NULL)
		{
			Oid			id = RangeVarGetRelid(relation, NoLock, true);

			if (OidIsValid(id))
				run_as_owner("SELECT citus_internal.reach_workers_of($1::oid)", psprintf("%u", id));
		}
	}
	else
		role = NULL;

	if (next_process_utility)
		next_process_utility(planned, source, read_only_tree, context, parameters, environment,
							 receiver, completion);
	else
		standard_ProcessUtility(planned, source, read_only_tree, context, parameters, environment,
								receiver, completion);

	if (role != NULL || text != NULL)
		CommandCounterIncrement();
	if (role != NULL)
		run_as_owner("SELECT citus_internal.propagate_role($1)", role);
	if (text != NULL)
		run_as_owner("SELECT citus_internal.propagate_statement($1)", text);
}

static void
executor_start(QueryDesc *query, int flags)
{
	if (!IsBackgroundWorker && citus_is_created())
		daemon_ensure();
	if (next_executor_start)
		next_executor_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

void
propagate_init(void)
{
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	next_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
}
