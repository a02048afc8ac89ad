# PostgreSQL on its volume: a database, and an account with no more rights than ImageFlow needs.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA.new"
  printf %s "$POSTGRES_PASSWORD" > /tmp/password
  initdb --pgdata="$PGDATA.new" --username=postgres --pwfile=/tmp/password --auth-host=scram-sha-256 --auth-local=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$PGDATA.new/pg_hba.conf"
  run() { postgres --single -j -D "$PGDATA.new" "$1" > /dev/null; }
  printf "CREATE ROLE imageflow LOGIN PASSWORD '%s';\n\nCREATE DATABASE imageflow;\n\nGRANT CREATE ON DATABASE imageflow TO imageflow;\n" "$IMAGEFLOW_DATABASE_PASSWORD" | run postgres
  printf "GRANT CREATE ON SCHEMA public TO imageflow;\n" | run imageflow
  mv "$PGDATA.new" "$PGDATA"
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c max_connections=300
