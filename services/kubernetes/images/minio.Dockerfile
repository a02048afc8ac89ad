ARG BASE
FROM ${BASE}
COPY minio mc /usr/local/bin/
