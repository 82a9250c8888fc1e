#!/usr/bin/env bash
# Install Debian's R with lme4, ggplot2, dplyr and tidyr, for `grace analyze --with-r`, rmarkdown, for the example of
# `examples/`, and pandoc, for `grace paper`. About 500 MB; needs apt-get and root.
#
# Nothing is done where both are there already.
set -euo pipefail

packages=(r-base-core r-cran-lme4 r-cran-ggplot2 r-cran-dplyr r-cran-tidyr r-cran-rmarkdown pandoc)
patience=400 # seconds, of each step

fail() {
    echo "install_r_and_pandoc.sh: $*" >&2
    exit 1
}

works() {
    command -v pandoc >/dev/null || return
    Rscript --vanilla -e 'stopifnot(sapply(c("lme4", "ggplot2", "dplyr", "tidyr", "rmarkdown"), requireNamespace, quietly = TRUE))' \
        </dev/null >/dev/null 2>&1
}

if works; then
    exit 0
fi

command -v apt-get >/dev/null || fail "there is no apt-get; install pandoc, and R with lme4, ggplot2, dplyr, tidyr and rmarkdown"
[[ $(id -u) == 0 ]] || fail "installing needs root: sudo scripts/install_r_and_pandoc.sh"

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
"${apt[@]}" install --no-install-recommends --no-download "${packages[@]}" >/dev/null || fail "R or pandoc could not be installed"
works || fail "R and pandoc are installed but do not work"
