#!/usr/bin/env bash
# Install Debian's podman, and make what it needs to build Grace's images without a registry: for the tests marked
# "containers". 60 MB of packages, if they are not there, and a base image of 156 MB; needs apt-get and root.
#
# Prints what tests and builds need in their environment, and nothing else: eval "$(scripts/install_podman.sh)"
# Containers use the host's network, and all that is stored stays in one folder, grace/podman in the user's cache.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(podman buildah runc mmdebstrap containernetworking-plugins catatonit)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/grace/podman
base=localhost/python:debian
certificates=/etc/ssl/certs/ca-certificates.crt
patience=180 # seconds, of each step

fail() {
    echo "install_podman.sh: $*" >&2
    exit 1
}
say() { echo "$*" >&2; }

export DEBIAN_FRONTEND=noninteractive
apt=(
    timeout "$patience" apt-get --quiet --yes
    -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=60
)
fetch() { "${apt[@]}" install --no-install-recommends --download-only "${packages[@]}" >/dev/null; }

# Fetching and installing are two steps, so that a slow network is never cut off in the middle of an installation.
install_packages() {
    say "installing ${packages[*]} ..."
    if ! fetch 2>/dev/null; then
        "${apt[@]}" update >/dev/null || fail "the lists of packages could not be fetched"
        fetch || fail "the packages could not be fetched"
    fi
    "${apt[@]}" install --no-install-recommends --no-download "${packages[@]}" >/dev/null ||
        fail "the packages could not be installed"
}

# Limits that need no right to raise them, the machine's own network, and no daemon of any kind.
configure() {
    mkdir -p "$folder"
    cat >"$folder/containers.conf" <<END
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]
netns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
END
    cat >"$folder/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$folder/images"
runroot = "$folder/run"
END
    export CONTAINERS_CONF=$folder/containers.conf CONTAINERS_STORAGE_CONF=$folder/storage.conf
}

# This Debian's own Python, in the place of Docker's slim image, which has no manuals, translations and Perl either.
make_base() {
    local sources=/etc/apt/sources.list.d/debian.sources suite archive=$folder/base.tar
    [[ -f $sources ]] || sources=/etc/apt/sources.list
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    say "making $base of Debian's $suite ..."
    # shellcheck disable=SC2016  # mmdebstrap's shell fills in $1, the new root
    timeout "$patience" mmdebstrap --quiet --variant=minbase --mode=root \
        --include=ca-certificates,python3,python3-pip,python3-venv \
        --customize-hook='rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED' \
        --customize-hook='for name in python python3; do ln -s /usr/bin/python3 "$1/usr/local/bin/$name"; done' \
        --customize-hook='ln -s /usr/bin/pip3 "$1/usr/local/bin/pip"' \
        --customize-hook='cd "$1" && rm -rf usr/share/doc usr/share/man usr/share/locale usr/share/perl usr/lib/*/perl' \
        "$suite" "$archive" - <"$sources" >&2 || fail "the base image could not be made"
    podman import --quiet --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'CMD ["python3"]' "$archive" "$base" >&2 || fail "the base image could not be kept"
    rm -f "$archive"
}

# Two at once would make the base image twice.
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9

if ! command -v podman runc mmdebstrap >/dev/null; then
    command -v apt-get >/dev/null || fail "there is no apt-get; install podman"
    [[ $(id -u) == 0 ]] || fail "installing needs root: run this in a shell of root"
    install_packages
fi
configure
podman info >/dev/null || fail "podman is installed but does not work here"
podman image exists "$base" || make_base

printf 'export CONTAINERS_CONF=%q\n' "$CONTAINERS_CONF"
printf 'export CONTAINERS_STORAGE_CONF=%q\n' "$CONTAINERS_STORAGE_CONF"
printf 'export GRACE_IMAGES_ARGS=%q\n' \
    "--pull-never --build-arg PYTHON_IMAGE=$base --volume $certificates:$certificates:ro"
