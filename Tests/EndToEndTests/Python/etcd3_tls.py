"""Python's etcd3 over TLS: python etcd3_tls.py HOST PORT CA CERT KEY. Fails by assertion."""
import sys

import etcd3

host, port, ca, cert, key = sys.argv[1:]
client = etcd3.client(
    host=host, port=int(port), timeout=10, ca_cert=ca, cert_cert=cert, cert_key=key)

client.put("greeting", "hello")
assert client.get("greeting")[0] == b"hello"

events, cancel = client.watch("greeting")
client.put("greeting", "x" * 1000000)
assert len(next(events).value) == 1000000
cancel()
assert len(client.get("greeting")[0]) == 1000000
print("ok")
