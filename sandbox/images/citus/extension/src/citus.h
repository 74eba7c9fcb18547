/* What the modules of the stand-in share. Each comment names the module that defines it. */
#ifndef CITUS_STANDIN_H
#define CITUS_STANDIN_H

#include "postgres.h"

/* settings.c */
extern char *node_conninfo;
extern int node_connection_timeout_ms;
extern int background_task_queue_interval_ms;
extern bool enable_ddl_propagation;
extern void settings_init(void);

/* remote.c */
extern void remote_init(void);
/* True in a session that another node of the cluster opened. */
extern bool remote_is_internal_session(void);
/* Prefix of application_name in the sessions that nodes open on each other. */
#define INTERNAL_SESSION "citus_internal"

/* propagate.c */
extern void propagate_init(void);

/* daemon.c */
extern void daemon_init(void);
/* Starts this database's maintenance daemon unless it runs; needs a transaction. */
extern void daemon_ensure(void);

/* module.c */
/* True when the current database has the extension, fully created; needs a transaction. */
extern bool citus_is_created(void);
/* Runs a query of one text parameter with the extension owner's rights. */
extern void run_as_owner(const char *query, const char *parameter);

#endif
