# git over HTTP: a clone, a commit and its push, a fetch of it, from git's own CGI program.
# shellcheck source=integration/software/start.bash
source /software/start.bash

export HOME=/job GIT_AUTHOR_NAME=nobody GIT_AUTHOR_EMAIL=nobody@example.com GIT_AUTHOR_DATE='2001-01-01 00:00 +0000'
export GIT_COMMITTER_NAME=nobody GIT_COMMITTER_EMAIL=nobody@example.com GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
export GIT_PROJECT_ROOT=/job GIT_HTTP_EXPORT_ALL=1
cat >.gitconfig <<'END'
[init]
  defaultBranch = main
[safe]
  directory = *
[http]
  receivepack = true
END
git init --quiet --bare origin.git
mkdir -p www/cgi-bin
printf '#!/bin/sh\nexec git http-backend\n' >www/cgi-bin/git
chmod 755 www/cgi-bin/git
# Python's server runs CGI programs as nobody.
chmod -R a+rwX origin.git

python3 -m http.server --cgi --directory www 8000 &>server.log &
wait_for_port 8000
url=http://127.0.0.1:8000/cgi-bin/git/origin.git
git clone --quiet "$url" one 2>&1
for number in 1 2 3; do
  seq "$((number * 1000))" >"one/file$number"
  git -C one add .
  git -C one commit --quiet --message "commit $number"
done
git -C one push --quiet origin main 2>&1
git clone --quiet "$url" two
git -C two log --format='%H %s'
git -C two fsck 2>&1
git -C one rev-parse HEAD
sha256sum two/file3
beyond 8000
