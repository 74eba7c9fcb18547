/* Entry point of the library: loads the modules, and helpers that more than one of them needs. */
#include "citus.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR,
				(errmsg("Citus can only be loaded via shared_preload_libraries"),
				 errhint("Add citus to shared_preload_libraries configuration variable in "
						 "postgresql.conf in master and workers. Note that citus should be at "
						 "the beginning of shared_preload_libraries.")));
	settings_init();
	remote_init();
	propagate_init();
	daemon_init();
}

bool
citus_is_created(void)
{
	return !creating_extension && OidIsValid(get_extension_oid("citus", true));
}

void
run_as_owner(const char *query, const char *parameter)
{
	Oid			user;
	int			context;
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(parameter)};

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	SPI_execute_with_args(query, 1, types, values, NULL, false, 0);
	SPI_finish();
	SetUserIdAndSecContext(user, context);
}

PG_FUNCTION_INFO_V1(citus_outer_user);

/* Name of the role that runs the statement, also inside a SECURITY DEFINER function. */
Datum
citus_outer_user(PG_FUNCTION_ARGS)
{
	NameData   *name = palloc0(sizeof(NameData));

	namestrcpy(name, GetUserNameFromId(GetOuterUserId(), false));
	PG_RETURN_NAME(name);
}
