"""Python's etcd3 against a member: python etcd3_tour.py HOST PORT. Fails by assertion."""
import sys

import etcd3

client = etcd3.client(host=sys.argv[1], port=int(sys.argv[2]), timeout=10)

client.put("greeting", "hello")
value, meta = client.get("greeting")
assert value == b"hello", value
assert meta.version == 1, meta.version
first = meta.mod_revision

client.put("greeting", "hello again")
value, meta = client.get("greeting")
assert (value, meta.version, meta.create_revision) == (b"hello again", 2, first)
assert meta.mod_revision == first + 1

client.put("group", "x")
pairs = [(meta.key, value) for value, meta in client.get_prefix("g")]
assert pairs == [(b"greeting", b"hello again"), (b"group", b"x")], pairs

assert client.get("missing") == (None, None)
assert client.delete("group")
assert not client.delete("group")
assert client.delete_prefix("g").deleted == 1

status = client.status()
assert status.version == "3.7.1", status.version
assert status.leader.name == "default", status.leader
assert [m.name for m in client.members] == ["default"]
assert list(client.list_alarms()) == []
print("ok")
