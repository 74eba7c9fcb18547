# Sourced at the first boot: creates the extension, and switches TLS on with a self-signed
# certificate, as Citus does when it is created on a server without one.
openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 3650 \
    -subj "/CN=citus-auto-ssl" -keyout "$PGDATA/server.key" -out "$PGDATA/server.crt"
chmod 600 "$PGDATA/server.key"
run_sql -c "ALTER SYSTEM SET ssl = on" -c "CREATE EXTENSION citus"
