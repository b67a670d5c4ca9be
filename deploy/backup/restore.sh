#!/bin/sh
# Puts a base backup into $PGDATA, which is to be empty, and tells the server to replay the log at its next start:
#   restore.sh                         all there is
#   restore.sh 2026-11-28T11:00:00Z    up to that moment (UTC), and nothing after it
#
# The server's user must be able to read BACKUP_DIR under the same path. Environment: BACKUP_DIR, PGDATA,
# RESTORE_DISCARD=yes to throw away what is in PGDATA.
set -eu
umask 077
: "${BACKUP_DIR:?the folder of the backups is not set: BACKUP_DIR=/backups · 未设置备份目录}"
: "${PGDATA:?the folder to restore into is not set: PGDATA=/var/lib/postgresql/data · 未设置恢复目标目录}"
until=${1:-}
fail() {
    echo "$1" >&2
    exit 2
}

case $BACKUP_DIR in
    *[%\'\"\\\$\`]*) fail "BACKUP_DIR=$BACKUP_DIR: quotes, \$, \\ and % may not be part of it · 路径中不能含引号、\$、\\ 或 %" ;;
    /*) ;;
    *) fail "BACKUP_DIR=$BACKUP_DIR: expected a path from / on · 应为绝对路径" ;;
esac
latest=99999999T999999Z
if [ -n "$until" ]; then
    latest=$(printf '%s\n' "$until" |
        sed -n 's/^\([0-9]\{4\}\)-\([0-9][0-9]\)-\([0-9][0-9]\)T\([0-9][0-9]\):\([0-9][0-9]\):\([0-9][0-9]\)\(\.[0-9]*\)\{0,1\}Z$/\1\2\3T\4\5\6Z/p')
    [ -n "$latest" ] || fail "$until: expected a time in UTC such as 2026-11-28T11:00:00Z · 应为 UTC 时间"
fi

chosen=
for name in $(ls "$BACKUP_DIR/base" 2>/dev/null | sort); do
    # Names of one length: the order of their letters is that of time.
    if [ "$(printf '%s\n%s\n' "$name" "$latest" | sort | head -n 1)" = "$name" ]; then
        chosen=$name
    fi
done
[ -n "$chosen" ] || fail "no base backup in $BACKUP_DIR/base${until:+ was complete by $until} · 没有可用的基础备份${until:+（截至 $until）}"

if [ -e "$PGDATA/postmaster.pid" ]; then
    fail "$PGDATA/postmaster.pid: a server runs there, or was killed there. Stop it first, or remove the file · 请先停止数据库"
fi
content=
if [ -e "$PGDATA" ]; then
    content=$(ls -A "$PGDATA") || fail "$PGDATA cannot be read by $(id -un): run as the server's user · 请以数据库的系统用户运行"
fi
if [ -n "$content" ]; then
    [ "${RESTORE_DISCARD:-}" = yes ] ||
        fail "$PGDATA is not empty. Move it away, or set RESTORE_DISCARD=yes to throw it away · 目标目录非空：请移走，或设置 RESTORE_DISCARD=yes 丢弃"
fi

# Before anything is thrown away for it.
pg_verifybackup --quiet "$BACKUP_DIR/base/$chosen"
if [ -n "$content" ]; then
    find "$PGDATA" -mindepth 1 -delete
fi
mkdir -p "$PGDATA"
cp -R "$BACKUP_DIR/base/$chosen/." "$PGDATA/"
chmod 700 "$PGDATA"
# Only so: at its start the server knows no names of time zones, Z included.
target=$(printf '%s' "$until" | sed 's/T/ /; s/Z$/+00/')
# The end of the stream is a segment that is not full yet. The last of equal settings counts, so those of an earlier
# restore, which the backup holds, do not.
cat >>"$PGDATA/postgresql.auto.conf" <<END
restore_command = 'for f in "$BACKUP_DIR"/wal/*/%f "$BACKUP_DIR"/wal/*/%f.partial; do test -f "\$f" && exec cp "\$f" "%p"; done; exit 1'
recovery_target_time = '$target'
recovery_target_timeline = 'latest'
recovery_target_action = 'promote'
END
touch "$PGDATA/recovery.signal"
sync
echo "$BACKUP_DIR/base/$chosen → $PGDATA. Start the server: it replays the log${until:+ up to $until} · 启动数据库即开始回放日志"
