"""The `orders` service that the demo balances over, in Python, from the standard library alone.

    python3 examples/orders-service/server.py --name orders-3 --port 8083
"""

import argparse
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


class Orders(BaseHTTPRequestHandler):
    # The default, HTTP/1.0, would cost a connection a request.
    protocol_version = 'HTTP/1.1'
    # Without it, head and body may wait for each other's acknowledgement: 40 ms.
    disable_nagle_algorithm = True
    # Buffered, so that head and body leave in one packet.
    wbufsize = -1

    def do_GET(self):
        order = re.fullmatch(r'/v1/orders/(\w+)', self.path)
        if self.path == '/health':
            self.answer(200, {'status': 'ok'})
        elif order is None:
            self.answer(404, {'error': 'not found'})
        else:
            # What a look into a database takes: 10 to 20 ms.
            time.sleep(random.uniform(0.010, 0.020))
            self.answer(200, {'order': order.group(1), 'instance': options.name})

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(content)))
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
