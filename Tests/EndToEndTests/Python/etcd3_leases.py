"""Leases and locks of Python's etcd3: python etcd3_leases.py HOST PORT. Fails by assertion."""
import sys

import etcd3

client = etcd3.client(host=sys.argv[1], port=int(sys.argv[2]), timeout=10)

lease = client.lease(100)
client.put("a", "1", lease=lease)
client.put("b", "2", lease=lease)
assert lease.granted_ttl == 100, lease.granted_ttl
assert 98 <= lease.remaining_ttl <= 100, lease.remaining_ttl
assert sorted(lease.keys) == [b"a", b"b"], lease.keys
assert [answer.TTL for answer in lease.refresh()] == [100]
lease.revoke()
assert client.get("a") == (None, None)
assert lease.remaining_ttl == -1

named = client.lease(60, lease_id=77)
assert named.id == 77
client.revoke_lease(77)

doors = client.lock("doors", ttl=10)
assert doors.acquire()
assert doors.is_acquired()
# That another has to wait cannot be seen here: this client's way of waiting is older than the
# tenacity that it gets (its wait function lacks an argument).
assert doors.release()
other = client.lock("doors", ttl=10)
assert other.acquire()
assert not doors.is_acquired()
with client.lock("windows", ttl=10) as windows:
    assert windows.is_acquired()
print("ok")
