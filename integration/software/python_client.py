"""python_client.py URL PACKAGE...: fetches packages by a simple index (PEP 503) and runs what they hold."""

import asyncio
import concurrent.futures
import hashlib
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request


def install(url, package, number):
    with urllib.request.urlopen(f"{url}/simple/{package}/") as index:
        link, digest = re.search(r'href="([^#"]*)#sha256=([0-9a-f]*)"', index.read().decode()).groups()
    with urllib.request.urlopen(urllib.parse.urljoin(url, link)) as answer:
        archive = answer.read()
    assert hashlib.sha256(archive).hexdigest() == digest
    path = os.path.abspath(f"{package}-{number}.zip")
    with open(path, "wb") as file:
        file.write(archive)
    code = f"import sys; sys.path.insert(0, {path!r}); import {package}; print({package}.VALUE)"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


async def head(url, package):
    address = urllib.parse.urlparse(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(f"HEAD /{package}.zip HTTP/1.0\r\n\r\n".encode())
    status = await reader.readline()
    writer.close()
    return status.decode().strip()


async def heads(url, packages):
    return await asyncio.gather(*(head(url, package) for package in packages * 8))


def main():
    url, packages = sys.argv[1], sys.argv[2:]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        print(*pool.map(install, [url] * 16, packages * 4, range(16)))
    statuses = asyncio.run(heads(url, packages))
    print(len(statuses), *sorted(set(statuses)))


main()
