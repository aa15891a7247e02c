# nginx.bash SECONDS: wrk's connections against an nginx of two workers. Prints what wrk measured.
# shellcheck source=integration/software/start.bash
source /software/start.bash

mkdir www
for ((i = 1; i <= 1000; i++)); do echo "$i"; done >www/numbers
cat >nginx.conf <<'END'
user www-data;
worker_processes 2;
error_log /job/error.log;
pid /job/nginx.pid;
events { worker_connections 256; }
http {
  access_log off;
  server {
    listen 8080;
    location / { root /job/www; }
  }
}
END
nginx -p /job -c /job/nginx.conf -g 'daemon off;' &>nginx.log &
wait_for_port 8080
wrk -t 2 -c 20 -d "$1" --latency http://127.0.0.1:8080/numbers
kill -QUIT "$!"
wait "$!"
