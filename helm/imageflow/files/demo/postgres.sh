# PostgreSQL on its volume: a database, and an account with no more rights than ImageFlow needs.
set -eu
sql() { postgres --single -j -D "$1" "$2" > /dev/null; }
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA.new"
  printf %s "$POSTGRES_PASSWORD" > /tmp/password
  initdb --pgdata="$PGDATA.new" --username=postgres --pwfile=/tmp/password --auth-host=scram-sha-256 --auth-local=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$PGDATA.new/pg_hba.conf"
  printf 'CREATE ROLE imageflow LOGIN;\n\nCREATE DATABASE imageflow;\n\nGRANT CREATE ON DATABASE imageflow TO imageflow;\n' | sql "$PGDATA.new" postgres
  printf 'GRANT CREATE ON SCHEMA public TO imageflow;\n' | sql "$PGDATA.new" imageflow
  mv "$PGDATA.new" "$PGDATA"
fi
# of a server that was killed: its process number is another process's in this container; no other pod has the volume
rm -f "$PGDATA/postmaster.pid"
# the volume may be older than the passwords: an uninstalled trial leaves it
printf "ALTER ROLE postgres PASSWORD '%s';\n\nALTER ROLE imageflow PASSWORD '%s';\n" "$POSTGRES_PASSWORD" "$IMAGEFLOW_DATABASE_PASSWORD" | sql "$PGDATA" postgres
exec postgres -D "$PGDATA" -c listen_addresses='*' -c max_connections=300
