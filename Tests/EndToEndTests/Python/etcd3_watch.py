"""Python's etcd3 watching a member: python etcd3_watch.py HOST PORT. Fails by assertion."""
import queue
import sys

import etcd3

client = etcd3.client(host=sys.argv[1], port=int(sys.argv[2]), timeout=10)

client.put("watched/a", "1")
client.put("other", "1")
client.put("watched/a", "2")
client.delete("watched/a")

# From a past revision, with the pairs before.
events, cancel = client.watch_prefix("watched/", start_revision=2, prev_kv=True)
found = [next(events) for _ in range(3)]
assert [type(event).__name__ for event in found] == ["PutEvent", "PutEvent", "DeleteEvent"]
assert [event.value for event in found[:2]] == [b"1", b"2"]
assert found[1].prev_value == b"1" and found[2].prev_value == b"2"
cancel()

# By callback, several on one stream.
heard = queue.Queue()
first = client.add_watch_callback("k1", lambda response: heard.put(("k1", response.events)))
second = client.add_watch_callback("k2", lambda response: heard.put(("k2", response.events)))
client.put("k2", "x")
client.put("k1", "y")
told = [heard.get(timeout=10) for _ in range(2)]
assert [key for key, _ in told] == ["k2", "k1"], told
client.cancel_watch(first)
client.put("k1", "unheard")
client.put("k2", "z")
key, more = heard.get(timeout=10)
assert key == "k2" and more[0].value == b"z", (key, more)
print("ok")
