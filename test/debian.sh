# Packages of Debian that are unpacked and not installed. Sourced by scripts.

# own_mirror SUITE prints the first repository of the machine's own
# configuration that has it. What would be updated says so also where there are
# no lists yet.
own_mirror() {
  apt-get update --print-uris |
    awk -F"'" -v end="/dists/($1|stable|oldstable)/InRelease\$" '$2 ~ end && !done { sub(end, "/", $2); print $2; done = 1 }'
}

# private_apt WORK SUITE ARCHITECTURE leaves in $apt how to call apt-get with
# lists and a cache of its own in WORK, so that the machine's stay, and updates.
private_apt() {
  local work=$1 suite=$2 mirror keys=/usr/share/keyrings/debian-archive-keyring.gpg
  mirror=$(own_mirror "$(. /etc/os-release && echo "$VERSION_CODENAME")")
  if [ -z "$mirror" ] || [ ! -e $keys ]; then
    echo "This needs packages of Debian $suite, and apt here has no repository of Debian" >&2
    return 1
  fi
  mkdir -p "$work/empty" "$work/lists/partial" "$work/cache/archives/partial"
  : >"$work/status"
  echo "deb [signed-by=$keys] $mirror $suite main" >"$work/list"
  apt=(apt-get -qq -o "Dir::Etc::sourcelist=$work/list" -o "Dir::Etc::sourceparts=$work/empty"
    -o "Dir::State=$work" -o "Dir::State::status=$work/status" -o "Dir::Cache=$work/cache" -o "APT::Architecture=$3"
    -o "APT::Architectures::=$3" -o Acquire::Languages=none -o APT::Sandbox::User=root)
  "${apt[@]}" update
}
