#!/bin/sh
# Puts the program, the units and their settings where the units look for them, and makes the passwords that are not there.
# As root: sh deploy/systemd/install.sh. Settings that are there already stay. With DESTDIR set, everything goes below it.
set -eu
cd "$(dirname "$0")/../.."
root=${DESTDIR:-}
program=$root/opt/tracefleet
settings=$root/etc/tracefleet
umask 022
mkdir -p "$program/backup" "$program/systemd" "$settings" "$root/etc/systemd/system" "$root/var/backups/tracefleet"

# As the image is made: uv alone by the hashes of the lock, then what the product needs by the same hashes.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements.lock > "$work/uv.txt"
python3 -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement "$work/uv.txt"
[ -x "$program/bin/python" ] || python3 -m venv --without-pip "$program"
"$work/tools/bin/uv" pip install --quiet --python "$program/bin/python" --require-hashes --compile-bytecode \
    --requirement pyproject.toml --extra embedded --constraint requirements.lock
"$work/tools/bin/uv" build --quiet --wheel --build-constraints requirements.lock --require-hashes --out-dir "$work" .
"$work/tools/bin/uv" pip install --quiet --python "$program/bin/python" --no-deps --reinstall --compile-bytecode "$work"/*.whl

cp deploy/backup/*.sh "$program/backup/"
cp deploy/systemd/README.md "$program/systemd/"
cp deploy/systemd/*.service deploy/systemd/*.target deploy/systemd/*.timer "$root/etc/systemd/system/"
for file in nats.conf admin.env; do
    [ -e "$settings/$file" ] || cp "deploy/systemd/$file" "$settings/"
done
sh deploy/compose/secrets.sh "$settings/credentials"
# Seals the audit and personal data, and lets devices in. Nobody can make it again.
if [ ! -s "$settings/credentials/tracefleet.key" ]; then
    (umask 077; od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > "$settings/credentials/tracefleet.key")
    echo "made $settings/credentials/tracefleet.key: keep a copy of it on another machine"
fi
