"""The `orders` service that the demo balances over, in Python, from the standard library alone.

    python3 examples/orders-service/server.py --name orders-3 --port 8083
"""

import argparse
import collections
import json
import random
import re
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

arguments = argparse.ArgumentParser()
arguments.add_argument('--name', default='orders')
arguments.add_argument('--port', type=int, default=8083)
options = arguments.parse_args()
stopping = threading.Event()


class LoadReport:
    """Tells clients how loaded this process is, in the response header `endpoint-load-metrics` (ORCA)."""

    def __init__(self):
        self.inflight, self.lock = 0, threading.Lock()
        # When requests came, and what had been computed by then; the last hundred are enough for a rate.
        self.begun = collections.deque([(time.monotonic(), time.process_time())], maxlen=100)

    def __enter__(self):
        with self.lock:
            self.inflight += 1
            self.begun.append((time.monotonic(), time.process_time()))

    def __exit__(self, *_):
        with self.lock:
            self.inflight -= 1

    def text(self):
        with self.lock:
            since, computed = self.begun[0]
            # A second at least, or the first two requests would make a rate of thousands.
            seconds = max(1, time.monotonic() - since)
            # Of one core, whatever the machine has: Python computes in one thread at a time.
            utilization = (time.process_time() - computed) / seconds
            rate = (len(self.begun) - 1) / seconds
            return (
                f'TEXT application_utilization={utilization:.4f},rps_fractional={rate:.2f},'
                f'named_metrics.inflight={self.inflight}'
            )


load = LoadReport()


class Orders(BaseHTTPRequestHandler):
    # The default, HTTP/1.0, would cost a connection a request.
    protocol_version = 'HTTP/1.1'
    # Without it, head and body may wait for each other's acknowledgement: 40 ms.
    disable_nagle_algorithm = True
    # Buffered, so that head and body leave in one packet.
    wbufsize = -1

    def do_GET(self):
        order = re.fullmatch(r'/v1/orders/(\w+)', self.path)
        if self.path == '/.well-known/endpoint-load':
            # Who asks for nothing but the load is no load.
            self.answer(200, {})
        elif self.path == '/health':
            self.answer(200, {'status': 'ok'})
        elif order is None:
            self.answer(404, {'error': 'not found'})
        else:
            with load:
                # What a look into a database takes: 10 to 20 ms.
                time.sleep(random.uniform(0.010, 0.020))
            self.answer(200, {'order': order.group(1), 'instance': options.name})

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(content)))
        self.send_header('endpoint-load-metrics', load.text())
        if stopping.is_set():
            # A client that keeps its connection would keep a stopping server from its end.
            self.send_header('Connection', 'close')
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Says nothing: a line for each request is too much."""


class Server(ThreadingHTTPServer):
    # The default of 5 turns away connections that come in a burst, for a second or more.
    request_queue_size = 128


def stop(*_):
    stopping.set()
    # From another thread, as it waits for serve_forever, which is what this one runs.
    threading.Thread(target=server.shutdown).start()


server = Server(('127.0.0.1', options.port), Orders)
signal.signal(signal.SIGTERM, stop)
print(f'{options.name} listens on 127.0.0.1:{options.port}', flush=True)
server.serve_forever()
# Its threads end with the process; what they have begun takes 20 ms.
time.sleep(0.1)
