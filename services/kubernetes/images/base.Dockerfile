FROM scratch
ADD base.tar /
# pip and Node bring certificates of their own; a machine behind a proxy adds the proxy's to the system's.
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
