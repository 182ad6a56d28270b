#!/usr/bin/env bash
# Set up a throwaway machine as a Salt master with this engine, or as its minion; the Vagrantfile runs this as root.
#
#     tools/provision.sh master|minion ID MASTER [ARGUMENT...]
#
# MASTER is the address of the minion's master. ARGUMENTs go to the `salt-call` that applies the formula. The master
# accepts every minion and the engine serves without TLS: only for machines that nobody else can reach. Tests set the
# variables below.
set -euo pipefail

role=$1 id=$2 master=$3
shift 3
PROJECT=${PROJECT:-/vagrant}
SALT_ETC=${SALT_ETC:-/etc/salt}
SALT_SRV=${SALT_SRV:-/srv}
SALT_CALL=${SALT_CALL:-salt-call}
MINION_SERVICE=${MINION_SERVICE:-salt-minion}
ACCOUNT=${ACCOUNT:-vagrant} # the user who may log in through PAM

# Install the Salt project's packages for Debian and Ubuntu, as its install guide says.
install_salt() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq curl rsync
    mkdir -p /etc/apt/keyrings
    curl -fsSL https://packages.broadcom.com/artifactory/api/security/keypair/SaltProjectKey/public \
        -o /etc/apt/keyrings/salt-archive-keyring.pgp
    curl -fsSL https://github.com/saltstack/salt-install-guide/releases/latest/download/salt.sources \
        -o /etc/apt/sources.list.d/salt.sources
    printf 'Package: salt-*\nPin: version %s.*\nPin-Priority: 1001\n' "${SALT_LINE:-3008}" >/etc/apt/preferences.d/salt
    apt-get update -qq
    apt-get install -y -qq salt-minion
    if [ "$role" = master ]; then apt-get install -y -qq salt-master; fi
}

configure_minion() {
    mkdir -p "$SALT_ETC/minion.d"
    cat >"$SALT_ETC/minion.d/provision.conf" <<END
id: $id
master: $master
file_roots: {base: [$PROJECT]}
pillar_roots: {base: [$SALT_SRV/pillar]}
END
}

configure_master() {
    mkdir -p "$SALT_ETC/master.d" "$SALT_SRV/pillar"
    cat >"$SALT_ETC/master.d/provision.conf" <<END
auto_accept: true
file_roots: {base: [$PROJECT]}
pillar_roots: {base: [$SALT_SRV/pillar]}
END
    cat >"$SALT_SRV/pillar/top.sls" <<END
base:
  $id:
    - websocket_api
END
    cat >"$SALT_SRV/pillar/websocket_api.sls" <<END
websocket_api:
  options:
    address: 0.0.0.0
    disable_ssl: true
    clients: [local, local_async, local_subset, local_batch, runner, runner_async, wheel, wheel_async]
  tls:
    source: none
  external_auth:
    pam:
      $ACCOUNT: [".*", "@runner", "@wheel", "@jobs", "@events", "@fire"]
  master_config:
    presence_events: true
END
}

command -v "${SALT_CALL%% *}" >/dev/null || install_salt
configure_minion
if [ "$role" = master ]; then
    configure_master
    $SALT_CALL --local state.apply websocket_api --retcode-passthrough "$@"
fi
service "$MINION_SERVICE" restart
