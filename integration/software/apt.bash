# apt-get update, and a package downloaded, from a repository on this host.
# shellcheck source=integration/software/start.bash
source /software/start.bash

mkdir -p repository package/DEBIAN etc/apt.conf.d etc/preferences.d etc/trusted.gpg.d state/lists/partial cache
printf 'Package: %s\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: test\n' \
  greeting >package/DEBIAN/control
SOURCE_DATE_EPOCH=0 dpkg-deb --root-owner-group -Znone --build package repository/greeting_1.0_all.deb >/dev/null
read -r hash _ < <(sha256sum repository/greeting_1.0_all.deb)
{
  cat package/DEBIAN/control
  printf 'Filename: ./greeting_1.0_all.deb\nSize: %s\nSHA256: %s\n' "$(stat -c %s repository/*.deb)" "$hash"
} >repository/Packages
echo "deb [trusted=yes] http://127.0.0.1:8000/ ./" >etc/sources.list
# Nothing of the machine's own configuration.
cat >apt.conf <<'END'
Dir::Etc "/job/etc";
Dir::State "/job/state";
Dir::Cache "/job/cache";
END

python3 -m http.server --directory repository 8000 &>server.log &
wait_for_port 8000
APT_CONFIG=/job/apt.conf apt-get -q update 2>&1 | grep -E '^Get|^E|^W'
APT_CONFIG=/job/apt.conf apt-get -q download greeting 2>&1 | grep -E '^Get|^E|^W'
cmp greeting_1.0_all.deb repository/greeting_1.0_all.deb && echo "same package"
beyond 8000
