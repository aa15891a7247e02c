# What pip does: an index is read, archives are fetched by several threads, their hashes compared, the code run.
# shellcheck source=integration/software/start.bash
source /software/start.bash

mkdir -p www/simple
for name in one two three four; do
  mkdir -p "www/simple/$name"
  python3 -c 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as archive:
    archive.writestr(sys.argv[2] + ".py", "VALUE = %r * 2\n" % sys.argv[2])' "www/$name.zip" "$name"
  read -r hash _ < <(sha256sum "www/$name.zip")
  echo "<a href=\"/$name.zip#sha256=$hash\">$name.zip</a>" >"www/simple/$name/index.html"
done
python3 -m http.server --directory www 8000 &>server.log &
wait_for_port 8000
python3 /software/python_client.py http://127.0.0.1:8000 one two three four
beyond 8000
