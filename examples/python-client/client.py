"""A client of `orders` that knows nothing of Consul: it asks the sidecar on localhost, and names the service.

Standard library alone. One JSON line on standard output four times a second says how it goes;
it ends on SIGTERM or Ctrl-C, with a last line.

    python3 examples/python-client/client.py --sidecar 127.0.0.1:4140
"""

import argparse
import collections
import http.client
import itertools
import json
import signal
import threading
import time

arguments = argparse.ArgumentParser()
arguments.add_argument('--sidecar', default='127.0.0.1:4140', help='host:port')
arguments.add_argument('--service', default='orders', help='its name in Consul')
arguments.add_argument('--threads', type=int, default=6, help='requests in flight')
options = arguments.parse_args()

stopping = threading.Event()
lock = threading.Lock()
ok = collections.Counter()
failed = 0
last_error = None
numbers = itertools.count(1)


def ask(connection):
    """One request. Returns the name of the instance that answered."""
    # All that the sidecar needs to know: the service, as the host.
    connection.request('GET', f'/v1/orders/{next(numbers)}', headers={'Host': options.service})
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f'{response.status} {body[:200].decode(errors="replace")}')
    return json.loads(body)['instance']


def work():
    global failed, last_error
    # Connections stay open: http.client opens one with the first request, and again after it was closed.
    connection = http.client.HTTPConnection(options.sidecar, timeout=30)
    while not stopping.is_set():
        try:
            instance = ask(connection)
            with lock:
                ok[instance] += 1
        except Exception as error:
            connection.close()
            with lock:
                failed += 1
                last_error = f'{type(error).__name__}: {error}'
            # Not a storm of requests to something that is down.
            time.sleep(0.05)


def report():
    with lock:
        print(json.dumps({'ok': ok, 'failed': failed, 'lastError': last_error}), flush=True)


for name in (signal.SIGTERM, signal.SIGINT):
    signal.signal(name, lambda *_: stopping.set())
threads = [threading.Thread(target=work, daemon=True) for _ in range(options.threads)]
for thread in threads:
    thread.start()
while not stopping.wait(0.25):
    report()
for thread in threads:
    thread.join()
report()
