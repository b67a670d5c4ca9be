#!/bin/sh
# Runs once, when the database is made: the role that backups are made with, and its way in, which the image's pg_hba.conf
# opens to replication from inside the container alone. On a database that is older, run it by hand in the container; on a
# server without one, as systemd/README.md says. BACKUP_FROM: from where the role comes, if not from everywhere.
set -eu
password=${BACKUP_PASSWORD:-$(cat "${BACKUP_PASSWORD_FILE:?set BACKUP_PASSWORD or BACKUP_PASSWORD_FILE · 未设置备份口令}")}
export password
PGUSER=${POSTGRES_USER:-postgres}
PGDATABASE=${POSTGRES_DB:-postgres}
export PGUSER PGDATABASE
psql --no-psqlrc --set=ON_ERROR_STOP=1 <<'END'
\getenv password password
CREATE ROLE tracefleet_backup LOGIN REPLICATION PASSWORD :'password' CONNECTION LIMIT 5;
END
hba=$(psql --no-psqlrc --tuples-only --no-align --command="SHOW hba_file")
echo "host replication tracefleet_backup ${BACKUP_FROM:-all} scram-sha-256" >>"$hba"
psql --no-psqlrc --set=ON_ERROR_STOP=1 --command="SELECT pg_reload_conf()"
