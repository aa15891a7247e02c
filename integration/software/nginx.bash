# wrk's connections against an nginx of two workers.
# shellcheck source=integration/software/start.bash
source /software/start.bash

mkdir www logs
seq 1000 >www/numbers
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
    location /behind/ { proxy_pass http://127.0.0.1:8080/; }
  }
}
END
nginx -p /job -c /job/nginx.conf -g 'daemon off;' &>nginx.log &
wait_for_port 8080
for path in numbers behind/numbers; do
  # One line with a figure, and none that begins "Socket errors" or "Non-2xx".
  wrk -t 2 -c 20 -d 1 "http://127.0.0.1:8080/$path" |
    sed -nE 's/^ +([0-9]+) requests in .*/requests: \1/p; /errors|Non-2xx/p' | sed -E 's/[1-9][0-9]+$/many/'
done
beyond 8080
kill -QUIT "$!"
wait "$!" && echo "nginx has ended"
cat error.log
