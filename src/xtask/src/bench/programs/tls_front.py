"""Takes TLS 1.3 off and hands the bytes on. Usage: tls_front.py CERTIFICATE_AND_KEY PORT; prints its own port."""

import socket
import ssl
import sys
import threading

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.load_cert_chain(sys.argv[1])


def answers(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass


def serve(plain):
    try:
        with context.wrap_socket(plain, server_side=True) as client, \
                socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as sink:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=answers, args=(sink, client), daemon=True).start()
            buffer = memoryview(bytearray(1 << 18))
            while count := client.recv_into(buffer):
                sink.sendall(buffer[:count])
    except OSError:
        pass


with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
