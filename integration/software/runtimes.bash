# A Go program and the Java virtual machine: many threads from the start, programs executed from among them, and a TLS
# client that finds no TLS.
# shellcheck source=integration/software/start.bash
source /software/start.bash

mkdir www
python3 -m http.server --directory www 8000 &>server.log &
wait_for_port 8000
# Go.
runc --version | head -n 1
runc spec
sha256sum config.json
# Java.
java -XshowSettings:vm -version 2>&1 | grep -c .
keytool -genkeypair -alias key -keyalg EC -dname CN=test -storepass secret -keystore keys -storetype PKCS12 && echo "made a key"
keytool -list -alias key -storepass secret -keystore keys | grep -o PrivateKeyEntry
{ keytool -printcert -sslserver 127.0.0.1:8000 || true; } | head -n 1
beyond 8000
kill %1
