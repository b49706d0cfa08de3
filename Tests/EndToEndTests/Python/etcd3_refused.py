"""Python's etcd3, refused at the handshake: python etcd3_refused.py HOST PORT CA [CERT KEY].

Prints "refused" when no call gets through, "served" when one does.
"""
import sys

import etcd3
import grpc

host, port, ca, *shown = sys.argv[1:]
cert, key = shown if shown else (None, None)
client = etcd3.client(
    host=host, port=int(port), timeout=3, ca_cert=ca, cert_cert=cert, cert_key=key)
try:
    client.get("greeting")
    print("served")
except (etcd3.exceptions.ConnectionFailedError, etcd3.exceptions.ConnectionTimeoutError,
        grpc.RpcError):
    print("refused")
