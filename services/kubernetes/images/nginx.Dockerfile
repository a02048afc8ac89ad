ARG BASE
FROM ${BASE}
RUN apt-get update && apt-get install --yes --no-install-recommends nginx-light && rm -rf /var/lib/apt/lists/* /var/log/nginx
