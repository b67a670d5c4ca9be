#!/bin/sh
# Streams the write-ahead log of a PostgreSQL into $BACKUP_DIR/wal/TIMELINE as it is written, for ever.
#
# By a slot: what could not be streamed yet, the server keeps (up to its max_slot_wal_keep_size). A folder for each
# timeline: after a restore the server is on a new one, and the old one's end is not part of its history.
# Environment: BACKUP_DIR, and libpq's PGHOST, PGPORT, PGUSER, PGPASSWORD or PGPASSFILE (or BACKUP_PASSWORD_FILE).
set -eu
umask 077
: "${BACKUP_DIR:?the folder for backups is not set: BACKUP_DIR=/backups · 未设置备份目录}"
if [ -n "${BACKUP_PASSWORD_FILE:-}" ]; then
    PGPASSWORD=$(cat "$BACKUP_PASSWORD_FILE")
    export PGPASSWORD
fi
slot=${BACKUP_SLOT:-tracefleet_archive}
# The name that synchronous_standby_names may hold.
export PGAPPNAME="$slot"

ask() {
    psql --no-psqlrc --no-password --tuples-only --no-align --dbname="${PGDATABASE:-postgres}" --command="$1"
}

timeline=$(ask "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")
folder="$BACKUP_DIR/wal/$timeline"
lost=$(ask "SELECT count(pg_drop_replication_slot(slot_name)::text) FROM pg_replication_slots
    WHERE slot_name = '$slot' AND wal_status = 'lost'")
if [ "$lost" = 1 ] && [ -d "$folder" ]; then
    # What was streamed so far is good up to the gap, and stays where a restore finds it.
    mv "$folder" "$folder.before-$(date -u +%Y%m%dT%H%M%SZ)"
    echo "The server kept its log no longer (max_slot_wal_keep_size): there is a gap. Make a base backup now." \
        "· 日志保留超限，归档出现缺口，请立即做一次基础备份。" >&2
fi
mkdir -p "$folder"
pg_receivewal --no-password --slot="$slot" --create-slot --if-not-exists
# Flushed here before the server is told, so that it may wait for us (synchronous_standby_names): then a commit is in both.
exec pg_receivewal --no-password --slot="$slot" --synchronous --directory="$folder"
