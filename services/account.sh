#!/bin/sh
# Run once by PostgreSQL's image: a database, and an account with no more rights than ImageFlow needs.
set -eu
psql --set=ON_ERROR_STOP=1 --username postgres --set=secret="$IMAGEFLOW_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE imageflow LOGIN PASSWORD :'secret';
CREATE DATABASE imageflow;
GRANT CREATE ON DATABASE imageflow TO imageflow;
\connect imageflow
GRANT CREATE ON SCHEMA public TO imageflow;
SQL
