#!/bin/sh
# Runs once, when the database is made: the role that backups are made with, and its way in, which the image's pg_hba.conf
# opens to replication from inside the container alone. On a database that is older, run it by hand in the container.
set -eu
password=${BACKUP_PASSWORD:-$(cat "${BACKUP_PASSWORD_FILE:?set BACKUP_PASSWORD or BACKUP_PASSWORD_FILE · 未设置备份口令}")}
export password
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'END'
\getenv password password
CREATE ROLE tracefleet_backup LOGIN REPLICATION PASSWORD :'password' CONNECTION LIMIT 5;
END
echo "host replication tracefleet_backup all scram-sha-256" >>"$PGDATA/pg_hba.conf"
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --command="SELECT pg_reload_conf()"
