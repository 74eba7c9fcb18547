/*
 * Background workers: a maintenance daemon per database that has the extension, started at the
 * first statement in it, and a runner that the daemon starts while a job has tasks to do.
 *
 * Both take a slot of max_worker_processes. Without a free one there is only a warning, and jobs
 * stay `scheduled`.
 */
#include "citus.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

/* The daemon wakes this often when background_task_queue_interval is off, to notice its end. */
#define IDLE_INTERVAL_MS 10000

typedef struct DaemonTable
{
	LWLock	   *lock;
	Oid			databases[FLEXIBLE_ARRAY_MEMBER];	/* InvalidOid: free */
} DaemonTable;

static DaemonTable *daemons = NULL;
static int	own_slot = -1;
static shmem_request_hook_type next_shmem_request = NULL;
static shmem_startup_hook_type next_shmem_startup = NULL;

PGDLLEXPORT void citus_maintenance_daemon(Datum slot);
PGDLLEXPORT void citus_task_runner(Datum database);

static Size
daemon_table_size(void)
{
	return offsetof(DaemonTable, databases) + sizeof(Oid) * max_worker_processes;
}

static void
shmem_request(void)
{
	if (next_shmem_request)
		next_shmem_request();
	RequestAddinShmemSpace(daemon_table_size());
	RequestNamedLWLockTranche("citus", 1);
}

static void
shmem_startup(void)
{
	bool		found;

	if (next_shmem_startup)
		next_shmem_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	daemons = ShmemInitStruct("citus daemons", daemon_table_size(), &found);
	if (!found)
	{
		memset(daemons, 0, daemon_table_size());
		daemons->lock = &GetNamedLWLockTranche("citus")->lock;
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Registers a worker; NULL when max_worker_processes leaves no slot. */
static BackgroundWorkerHandle *
register_worker(const char *function, const char *name, Datum argument)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_main_arg = argument,
		.bgw_notify_pid = MyProcPid,
	};
	BackgroundWorkerHandle *handle = NULL;
	MemoryContext context = MemoryContextSwitchTo(TopMemoryContext);	/* the handle outlives this step */

	strlcpy(worker.bgw_library_name, "citus", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, function, BGW_MAXLEN);
	strlcpy(worker.bgw_type, name, BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "%s: %u", name, MyDatabaseId);
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		handle = NULL;
	MemoryContextSwitchTo(context);
	return handle;
}

static void
release_slot(int slot)
{
	LWLockAcquire(daemons->lock, LW_EXCLUSIVE);
	daemons->databases[slot] = InvalidOid;
	LWLockRelease(daemons->lock);
}

void
daemon_ensure(void)
{
	static bool checked = false;
	int			free_slot = -1;
	BackgroundWorkerHandle *handle = NULL;
	pid_t		pid;

	if (checked || RecoveryInProgress())
		return;
	checked = true;

	LWLockAcquire(daemons->lock, LW_EXCLUSIVE);
	for (int slot = 0; slot < max_worker_processes; slot++)
	{
		if (daemons->databases[slot] == MyDatabaseId)
		{
			LWLockRelease(daemons->lock);
			return;
		}
		if (daemons->databases[slot] == InvalidOid && free_slot < 0)
			free_slot = slot;
	}
	if (free_slot >= 0)
		daemons->databases[free_slot] = MyDatabaseId;
	LWLockRelease(daemons->lock);

	if (free_slot >= 0)
	{
		handle = register_worker("citus_maintenance_daemon", "Citus Maintenance Daemon",
								 Int32GetDatum(free_slot));
		if (handle == NULL || WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
			release_slot(free_slot);
	}
	if (handle == NULL)
		ereport(WARNING, (errmsg("could not start maintenance background worker"),
						  errhint("Increasing max_worker_processes might help.")));
}

static void
on_daemon_exit(int code, Datum slot)
{
	release_slot(DatumGetInt32(slot));
}

static void
begin_step(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
}

static void
end_step(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* The first column of a query's first row, as text that outlives the transaction, or NULL. */
static char *
scalar(const char *query)
{
	char	   *value;

	if (SPI_execute(query, false, 1) < 0)
		elog(ERROR, "cannot run: %s", query);
	if (SPI_processed == 0)
		return NULL;
	value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	return value ? MemoryContextStrdup(TopMemoryContext, value) : NULL;
}

/* One look of the daemon: starts a runner when there is work. False ends the daemon. */
static bool
maintain(BackgroundWorkerHandle **runner)
{
	bool		created;
	pid_t		pid;

	begin_step();
	created = citus_is_created();
	if (created && background_task_queue_interval_ms >= 0)
	{
		char	   *work = scalar("SELECT citus_internal.maintain()");

		if (strcmp(work, "t") == 0 &&
			(*runner == NULL || GetBackgroundWorkerPid(*runner, &pid) == BGWH_STOPPED))
		{
			if (*runner != NULL)
				pfree(*runner);
			*runner = register_worker("citus_task_runner", "Citus Background Task Queue Monitor",
									  ObjectIdGetDatum(MyDatabaseId));
			if (*runner == NULL)
				ereport(WARNING, (errmsg("unable to start background worker for background task execution"),
								  errhint("Increasing max_worker_processes might help.")));
		}
		pfree(work);
	}
	end_step();
	return created;
}

void
citus_maintenance_daemon(Datum slot)
{
	BackgroundWorkerHandle *runner = NULL;

	own_slot = DatumGetInt32(slot);
	before_shmem_exit(on_daemon_exit, slot);
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(daemons->databases[own_slot], InvalidOid, 0);
	pgstat_report_appname("Citus Maintenance Daemon");

	while (maintain(&runner))
	{
		int			interval = background_task_queue_interval_ms;

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 interval > 0 ? interval : IDLE_INTERVAL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
}

/* Records why a task failed; it is tried again later. Runs in a transaction of its own. */
static void
record_failure(const char *task, ErrorData *error)
{
	Oid			types[2] = {INT8OID, TEXTOID};
	char	   *message = psprintf("ERROR:  %s%s%s", error->message,
								   error->context ? "\nCONTEXT:  " : "",
								   error->context ? error->context : "");
	Datum		values[2];

	begin_step();
	values[0] = DirectFunctionCall1(int8in, CStringGetDatum(task));
	values[1] = CStringGetTextDatum(message);
	SPI_execute_with_args("SELECT citus_internal.fail_task($1, $2)", 2, types, values, NULL, false, 0);
	end_step();
}

/* Runs a task; the metadata that it changes and its end become visible together. */
static void
run_task(const char *task, const char *command)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		begin_step();
		pgstat_report_activity(STATE_RUNNING, command);
		SPI_execute(command, false, 0);
		SPI_execute(psprintf("SELECT citus_internal.finish_task(%s)", task), false, 0);
		end_step();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		record_failure(task, error);
		FreeErrorData(error);
	}
	PG_END_TRY();
}

void
citus_task_runner(Datum database)
{
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database), InvalidOid, 0);
	pgstat_report_appname("Citus Background Task Queue Monitor");

	begin_step();
	SPI_execute("SELECT citus_internal.reset_interrupted_tasks()", false, 0);
	end_step();
	for (;;)
	{
		char	   *task;
		char	   *command = NULL;

		CHECK_FOR_INTERRUPTS();
		begin_step();
		task = scalar("SELECT citus_internal.next_task()");
		if (task != NULL)
			command = scalar(psprintf("SELECT command FROM pg_catalog.pg_dist_background_task"
									  " WHERE task_id = %s", task));
		end_step();
		if (task == NULL)
			break;
		run_task(task, command);
		pfree(task);
		pfree(command);
	}
}

void
daemon_init(void)
{
	next_shmem_request = shmem_request_hook;
	shmem_request_hook = shmem_request;
	next_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}
