#!/usr/bin/env bash
# Install Debian's R with lme4, ggplot2, dplyr and tidyr, for `grace analyze --with-r`. About 300 MB; needs apt-get and root.
#
# Nothing is done where there is an Rscript with these packages already.
set -euo pipefail

packages=(r-base-core r-cran-lme4 r-cran-ggplot2 r-cran-dplyr r-cran-tidyr)
patience=400 # seconds, of each step

fail() {
    echo "install_r.sh: $*" >&2
    exit 1
}

works() {
    Rscript --vanilla -e 'stopifnot(sapply(c("lme4", "ggplot2", "dplyr", "tidyr"), requireNamespace, quietly = TRUE))' \
        </dev/null >/dev/null 2>&1
}

if works; then
    exit 0
fi

command -v apt-get >/dev/null || fail "there is no apt-get; install R, and in it lme4, ggplot2, dplyr and tidyr"
[[ $(id -u) == 0 ]] || fail "installing needs root: sudo scripts/install_r.sh"

export DEBIAN_FRONTEND=noninteractive
apt=(
    timeout "$patience" apt-get --quiet --yes
    -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=60
)
fetch() { "${apt[@]}" install --no-install-recommends --download-only "${packages[@]}" >/dev/null; }

# Fetching and installing are two steps, so that a slow network is never cut off in the middle of an installation.
echo "installing ${packages[*]} ..."
if ! fetch 2>/dev/null; then
    "${apt[@]}" update >/dev/null || fail "the lists of packages could not be fetched"
    fetch || fail "${packages[*]} could not be fetched"
fi
"${apt[@]}" install --no-install-recommends --no-download "${packages[@]}" >/dev/null || fail "R could not be installed"
works || fail "R is installed but does not load its packages"
