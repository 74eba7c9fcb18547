/*
 * The `citus.*` settings, with the types, defaults and limits of Citus 13.2 on PostgreSQL 15.
 *
 * Those with a variable of their own act here or are read by the SQL functions; the tables hold
 * the others, which are accepted, checked and shown, and change nothing. A name that is in neither
 * is refused by PostgreSQL, since the prefix is reserved.
 */
#include "citus.h"

#include <limits.h>
#include <libpq-fe.h>

#include "utils/guc.h"

char	   *node_conninfo = NULL;
int			node_connection_timeout_ms;
int			background_task_queue_interval_ms;
bool		enable_ddl_propagation;

static bool enable_create_database_propagation;
static int	shard_replication_factor;
static int	move_delay_ms;
static char *version;

typedef struct
{
	const char *name;
	bool		initial;
	GucContext	context;
	bool		value;
} BoolSetting;

typedef struct
{
	const char *name;
	int			initial;
	int			least;
	int			most;
	GucContext	context;
	int			flags;
	int			value;
} IntSetting;

typedef struct
{
	const char *name;
	double		initial;
	double		least;
	double		most;
	GucContext	context;
	double		value;
} RealSetting;

typedef struct
{
	const char *name;
	const char *initial;
	GucContext	context;
	char	   *value;
} StringSetting;

static BoolSetting bools[] = {
	{"citus.all_modifications_commutative", false, PGC_USERSET},
	{"citus.defer_drop_after_shard_move", true, PGC_USERSET},
	{"citus.defer_drop_after_shard_split", true, PGC_USERSET},
	{"citus.enable_binary_protocol", true, PGC_USERSET},
	{"citus.enable_change_data_capture", false, PGC_USERSET},
	{"citus.enable_create_role_propagation", true, PGC_USERSET},
	{"citus.enable_deadlock_prevention", true, PGC_USERSET},
	{"citus.enable_local_execution", true, PGC_USERSET},
	{"citus.enable_local_reference_table_foreign_keys", true, PGC_USERSET},
	{"citus.enable_repartition_joins", false, PGC_USERSET},
	{"citus.enable_schema_based_sharding", false, PGC_USERSET},
	{"citus.enable_stat_counters", false, PGC_SUSET},
	{"citus.enable_statistics_collection", false, PGC_SIGHUP},
	{"citus.explain_all_tasks", false, PGC_USERSET},
	{"citus.log_remote_commands", false, PGC_USERSET},
	{"citus.skip_constraint_validation", false, PGC_SUSET},
	{"citus.skip_jsonb_validation_in_copy", true, PGC_USERSET},
	{"citus.use_citus_managed_tables", false, PGC_USERSET},
	{"citus.writable_standby_coordinator", false, PGC_USERSET},
};

static IntSetting ints[] = {
	{"citus.cpu_priority", 0, -20, 19, PGC_SUSET, 0},
	{"citus.defer_shard_delete_interval", 15000, -1, 604800000, PGC_SIGHUP, GUC_UNIT_MS},
	{"citus.limit_clause_row_fetch_count", -1, -1, INT_MAX, PGC_USERSET, 0},
	{"citus.local_shared_pool_size", 0, -1, INT_MAX, PGC_SIGHUP, 0},
	{"citus.max_adaptive_executor_pool_size", 16, 1, INT_MAX, PGC_USERSET, 0},
	{"citus.max_background_task_executors", 1, 1, 1000, PGC_SIGHUP, 0},
	{"citus.max_background_task_executors_per_node", 1, 1, 128, PGC_SIGHUP, 0},
	{"citus.max_cached_connection_lifetime", 600000, -1, INT_MAX, PGC_USERSET, GUC_UNIT_MS},
	{"citus.max_cached_conns_per_worker", 1, 0, INT_MAX, PGC_USERSET, 0},
	{"citus.max_client_connections", -1, -1, 100, PGC_SUSET, 0},
	{"citus.max_high_priority_background_processes", 2, 0, 10000, PGC_SUSET, 0},
	{"citus.max_intermediate_result_size", 1048576, -1, INT_MAX, PGC_USERSET, GUC_UNIT_KB},
	{"citus.max_matview_size_to_auto_recreate", 1024, -1, INT_MAX, PGC_USERSET, GUC_UNIT_MB},
	{"citus.max_shared_pool_size", 0, -1, INT_MAX, PGC_SIGHUP, 0},
	{"citus.max_worker_nodes_tracked", 2048, 1024, INT_MAX, PGC_POSTMASTER, 0},
	{"citus.recover_2pc_interval", 60000, -1, 604800000, PGC_SIGHUP, GUC_UNIT_MS},
	{"citus.remote_task_check_interval", 10, 1, INT_MAX, PGC_USERSET, GUC_UNIT_MS},
	{"citus.shard_count", 32, 1, 64000, PGC_USERSET, 0},
	{"citus.stat_tenants_limit", 100, 1, 10000, PGC_POSTMASTER, 0},
	{"citus.stat_tenants_period", 60, 1, 86400, PGC_USERSET, 0},
	{"citus.values_materialization_threshold", 100, -1, INT_MAX, PGC_USERSET, 0},
};

static RealSetting reals[] = {
	{"citus.count_distinct_error_rate", 0, 0, 1, PGC_USERSET},
	{"citus.desired_percent_disk_available_after_move", 10, 0, 100, PGC_SIGHUP},
	{"citus.distributed_deadlock_detection_factor", 2, -1, 1000, PGC_SIGHUP},
	{"citus.stat_tenants_untracked_sample_rate", 1, 0, 1, PGC_USERSET},
};

static StringSetting strings[] = {
	{"citus.cluster_name", "default", PGC_SU_BACKEND},
	{"citus.local_hostname", "localhost", PGC_SUSET},
	{"citus.show_shards_for_app_name_prefixes", "", PGC_USERSET},
	{"citus.superuser", "", PGC_SUSET},
};

static const struct config_enum_entry tracked[] = {
	{"none", 0, false}, {"all", 1, false}, {NULL, 0, false}
};

static const struct config_enum_entry multi_shard_modes[] = {
	{"parallel", 0, false}, {"sequential", 1, false}, {NULL, 0, false}
};

static const struct config_enum_entry assignment_policies[] = {
	{"greedy", 0, false}, {"first-replica", 1, false}, {"round-robin", 2, false}, {NULL, 0, false}
};

static int	stat_statements_track;
static int	stat_tenants_track;
static int	multi_shard_modify_mode;
static int	task_assignment_policy;

/* The keywords that Citus allows in citus.node_conninfo: no host, no credential. */
static const char *const allowed_keywords[] = {
	"application_name", "connect_timeout", "gsslib", "keepalives", "keepalives_count",
	"keepalives_idle", "keepalives_interval", "krbsrvname", "sslcert", "sslcompression", "sslcrl",
	"sslkey", "sslmode", "sslrootcert", "tcp_user_timeout", NULL
};

static bool
check_node_conninfo(char **value, void **extra, GucSource source)
{
	char	   *error = NULL;
	PQconninfoOption *options = PQconninfoParse(*value, &error);

	if (options == NULL)
	{
		GUC_check_errdetail("%s", error);
		PQfreemem(error);
		return false;
	}
	for (PQconninfoOption *option = options; option->keyword != NULL; option++)
	{
		const char *const *allowed = allowed_keywords;

		if (option->val == NULL)
			continue;
		while (*allowed != NULL && strcmp(*allowed, option->keyword) != 0)
			allowed++;
		if (*allowed == NULL)
		{
			GUC_check_errdetail("Prohibited conninfo keyword detected: %s", option->keyword);
			PQconninfoFree(options);
			return false;
		}
	}
	PQconninfoFree(options);
	return true;
}

static bool
check_database_propagation(bool *value, void **extra, GucSource source)
{
	if (*value)
		GUC_check_errdetail("This stand-in does not bring CREATE DATABASE to other nodes.");
	return !*value;
}

void
settings_init(void)
{
	DefineCustomStringVariable("citus.node_conninfo", "Settings of connections between nodes.", NULL,
							   &node_conninfo, "sslmode=require", PGC_SIGHUP, 0,
							   check_node_conninfo, NULL, NULL);
	DefineCustomIntVariable("citus.node_connection_timeout", "Time to connect to a node.", NULL,
							&node_connection_timeout_ms, 30000, 10, 3600000, PGC_USERSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomIntVariable("citus.background_task_queue_interval",
							"Time between two looks for jobs, -1 for none.", NULL,
							&background_task_queue_interval_ms, 5000, -1, 7 * 24 * 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomBoolVariable("citus.enable_ddl_propagation", "Brings statements to the workers.", NULL,
							 &enable_ddl_propagation, true, PGC_USERSET, GUC_NO_SHOW_ALL,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("citus.enable_create_database_propagation",
							 "Refused by the stand-in.", NULL,
							 &enable_create_database_propagation, false, PGC_USERSET, 0,
							 check_database_propagation, NULL, NULL);
	DefineCustomIntVariable("citus.shard_replication_factor", "Placements of a shard; the stand-in makes one.",
							NULL, &shard_replication_factor, 1, 1, 1, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("citus.version", "The version that the stand-in follows.", NULL,
							   &version, "13.2.2", PGC_INTERNAL, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("citus.stat_statements_track", "No effect.", NULL, &stat_statements_track, 0,
							 tracked, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("citus.stat_tenants_track", "No effect.", NULL, &stat_tenants_track, 0,
							 tracked, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("citus.multi_shard_modify_mode", "No effect.", NULL, &multi_shard_modify_mode, 0,
							 multi_shard_modes, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("citus.task_assignment_policy", "No effect.", NULL, &task_assignment_policy, 0,
							 assignment_policies, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("citus_standin.move_delay", "Time that moving a shard takes, at the least.", NULL,
							&move_delay_ms, 20, 0, 3600000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	for (size_t i = 0; i < lengthof(bools); i++)
		DefineCustomBoolVariable(bools[i].name, "Accepted as Citus does.", NULL, &bools[i].value,
								 bools[i].initial, bools[i].context, 0, NULL, NULL, NULL);
	for (size_t i = 0; i < lengthof(ints); i++)
		DefineCustomIntVariable(ints[i].name, "Accepted as Citus does.", NULL, &ints[i].value,
								ints[i].initial, ints[i].least, ints[i].most, ints[i].context,
								ints[i].flags, NULL, NULL, NULL);
	for (size_t i = 0; i < lengthof(reals); i++)
		DefineCustomRealVariable(reals[i].name, "Accepted as Citus does.", NULL, &reals[i].value,
								 reals[i].initial, reals[i].least, reals[i].most, reals[i].context, 0,
								 NULL, NULL, NULL);
	for (size_t i = 0; i < lengthof(strings); i++)
		DefineCustomStringVariable(strings[i].name, "Accepted as Citus does.", NULL, &strings[i].value,
								   strings[i].initial, strings[i].context, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("citus");
	MarkGUCPrefixReserved("citus_standin");
}
