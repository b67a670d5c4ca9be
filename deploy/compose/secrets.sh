#!/bin/sh
# Makes the passwords that compose.yaml names, each in a file of its own: those that are not there, and only those.
# A password in use is changed by hand: in its file, and where it is known (COMPOSE.md).
set -eu
folder=${1:-$(dirname "$0")/../secrets}
# Nobody else of this machine may enter the folder. The files themselves are read by other users: those in the containers.
umask 077
mkdir -p "$folder"
chmod 700 "$folder"
for name in \
    database_superuser database_migrate database_ingest database_fleet database_api database_dashboards database_backup \
    broker_ingest broker_fleet grafana_admin
do
    [ -s "$folder/$name" ] && continue
    # Begins with a letter and holds letters and digits: no file that it is written into has to quote it.
    password=p$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s' "$password" > "$folder/.$name"
    chmod 444 "$folder/.$name"
    mv "$folder/.$name" "$folder/$name"
    echo "made $folder/$name"
done
