# Make the bucket, and the account with the rights of bucket-policy.json; then rest.
set -eu
export MC_HOST_here="http://root-of-demo:$MINIO_ROOT_PASSWORD@127.0.0.1:9000"
until mc ready here; do sleep 1; done
mc mb --ignore-existing here/imageflow
mc admin user add here imageflow "$AWS_SECRET_ACCESS_KEY"
mc admin policy create here imageflow /etc/demo/bucket-policy.json
# to attach it twice is an error
mc admin user info here imageflow --json | grep --quiet '"policyName":"imageflow"' ||
  mc admin policy attach here imageflow --user imageflow
touch /tmp/bucket-is-ready
# a first process has to say that it ends by a signal
trap 'exit 0' TERM
sleep infinity & wait
