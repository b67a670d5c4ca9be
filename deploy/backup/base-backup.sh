#!/bin/sh
# Makes a base backup in $BACKUP_DIR/base/TIME, checks every file of it against its manifest, and removes what is too old.
#
# TIME is the server's, when the backup was complete: a restore may go to any moment after it that the log reaches.
# Environment: BACKUP_DIR, BACKUP_KEEP (3), and libpq's PGHOST, PGPORT, PGUSER, PGPASSWORD or PGPASSFILE
# (or BACKUP_PASSWORD_FILE).
set -eu
umask 077
: "${BACKUP_DIR:?the folder for backups is not set: BACKUP_DIR=/backups · 未设置备份目录}"
keep=${BACKUP_KEEP:-3}
case $keep in
    '' | *[!0-9]* | 0*) echo "BACKUP_KEEP=$keep: expected a number from 1 on · 应为不小于 1 的整数" >&2; exit 2 ;;
esac
if [ -n "${BACKUP_PASSWORD_FILE:-}" ]; then
    PGPASSWORD=$(cat "$BACKUP_PASSWORD_FILE")
    export PGPASSWORD
fi

mkdir -p "$BACKUP_DIR/base"
new="$BACKUP_DIR/base/.new.$$"
trap 'rm -rf "$new"' EXIT
trap 'exit 1' INT TERM HUP
# What a backup that was killed left: nobody else writes here now, or the two would be in each other's way anyhow.
rm -rf "$BACKUP_DIR"/base/.new.*
pg_basebackup --no-password --pgdata="$new" --checkpoint=fast --wal-method=stream --label=tracefleet
pg_verifybackup --quiet "$new"
# Up to the next second, so that the name is never earlier than the end.
name_now() {
    psql --no-psqlrc --no-password --tuples-only --no-align --dbname="${PGDATABASE:-postgres}" --command="SELECT to_char(
        (clock_timestamp() + interval '1 second') AT TIME ZONE 'UTC', 'YYYYMMDD\"T\"HH24MISS\"Z\"')"
}
name=$(name_now)
while [ -e "$BACKUP_DIR/base/$name" ]; do
    sleep 1
    name=$(name_now)
done
mv "$new" "$BACKUP_DIR/base/$name"
sync
echo "$BACKUP_DIR/base/$name"

ls "$BACKUP_DIR/base" | sort -r | tail -n "+$((keep + 1))" | while read -r old; do
    rm -rf "${BACKUP_DIR:?}/base/$old"
done
# No restore begins before the oldest backup that is left.
oldest="$BACKUP_DIR/base/$(ls "$BACKUP_DIR/base" | sort | head -n 1)"
first=$(sed -n 's/^START WAL LOCATION: .* (file \([0-9A-F]*\))$/\1/p' "$oldest/backup_label")
for folder in "$BACKUP_DIR"/wal/*/; do
    if [ -d "$folder" ]; then
        pg_archivecleanup "$folder" "$first"
    fi
done
