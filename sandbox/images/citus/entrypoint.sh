#!/usr/bin/env bash
# Starts PostgreSQL; on an empty data directory sets it up first, from the variables and the
# /docker-entrypoint-initdb.d scripts that the official postgres image knows.
set -Eeuo pipefail

setting() { # NAME [DEFAULT]: sets NAME from NAME, from the file that NAME_FILE names, or to DEFAULT
    local name=$1 file=$1_FILE value=${2-}
    if [ -n "${!name-}" ] && [ -n "${!file-}" ]; then
        echo "both $name and $file are set: set only one of them" >&2
        exit 1
    fi
    if [ -n "${!name-}" ]; then
        value=${!name}
    elif [ -n "${!file-}" ]; then
        value=$(<"${!file}")
    fi
    export "$name=$value"
    unset "$file"
}

run_sql() { # PSQL-ARGUMENTS...: in the initial database, stopping at the first error
    PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --no-password \
        --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" "$@"
}

run_scripts() { # FILE...: runs or sources *.sh, feeds *.sql to the server
    local file
    for file; do
        case $file in
        *.sh)
            if [ -x "$file" ]; then
                echo "$0: running $file"
                "$file"
            else
                echo "$0: sourcing $file"
                # shellcheck disable=SC1090
                . "$file"
            fi
            ;;
        *.sql)
            echo "$0: running $file"
            run_sql -f "$file"
            ;;
        *.sql.gz)
            echo "$0: running $file"
            gunzip -c "$file" | run_sql
            ;;
        *) echo "$0: ignoring $file" ;;
        esac
    done
}

initialise() { # POSTGRES-ARGUMENTS...: makes the data directory and runs the scripts
    local method
    if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
        cat >&2 <<-'END'
			Error: Database is uninitialized and superuser password is not specified.
			       You must specify POSTGRES_PASSWORD to a non-empty value for the
			       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".
		END
        exit 1
    fi
    # shellcheck disable=SC2086  # several arguments in one variable, as in the official image
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") \
        --no-sync $POSTGRES_INITDB_ARGS
    method=${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption "${@:2}")}
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"

    # As in the official image, the server started below inherits this one, and so does the final
    # server: libpq prefers it to PGPASSFILE. A sourced script may unset it.
    export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
    pg_ctl --silent --wait start -o "$(printf '%q ' "${@:2}" -c listen_addresses= -c fsync=off)"
    if [ "$POSTGRES_DB" != postgres ]; then
        POSTGRES_DB=postgres run_sql -v name="$POSTGRES_DB" <<<'CREATE DATABASE :"name"'
    fi
    shopt -s nullglob
    run_scripts /docker-entrypoint-initdb.d/*
    pg_ctl --silent --mode=fast --wait stop
    sync -f "$PGDATA"
    echo "PostgreSQL init process complete; ready for start up."
}

if [ "${1:0:1}" = - ]; then
    set -- postgres "$@"
fi
if [ "$1" = postgres ] && [ "$(id -u)" = 0 ]; then
    install -d -m 700 "$PGDATA"
    find "$PGDATA" \! -user postgres -exec chown postgres:postgres '{}' +
    find /var/run/postgresql \! -user postgres -exec chown postgres:postgres '{}' +
    export HOME=/var/lib/postgresql
    exec setpriv --reuid postgres --regid postgres --init-groups "${BASH_SOURCE[0]}" "$@"
fi
if [ "$1" = postgres ]; then
    setting POSTGRES_PASSWORD
    setting POSTGRES_USER postgres
    setting POSTGRES_DB "$POSTGRES_USER"
    setting POSTGRES_INITDB_ARGS
    : "${POSTGRES_HOST_AUTH_METHOD:=}"
    if [ ! -s "$PGDATA/PG_VERSION" ]; then
        initialise "$@"
    fi
fi
exec "$@"
