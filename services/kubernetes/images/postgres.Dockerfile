ARG BASE
FROM ${BASE}
# the number that PostgreSQL's official image gives its user
RUN useradd --system --uid 999 --user-group --home-dir /var/lib/postgresql --shell /bin/sh postgres \
    && apt-get update && apt-get install --yes --no-install-recommends postgresql && rm -rf /var/lib/apt/lists/*
ENV PATH=/usr/lib/postgresql/15/bin:$PATH
