"""Leases and locks of Python's aetcd: python aetcd_leases.py HOST PORT. Fails by assertion."""
import asyncio
import sys

import aetcd


async def main():
    async with aetcd.Client(host=sys.argv[1], port=int(sys.argv[2]), timeout=10) as client:
        lease = await client.lease(100)
        await client.put(b"a", b"1", lease=lease)
        assert await lease.granted_ttl() == 100
        assert 98 <= await lease.remaining_ttl() <= 100
        assert list(await lease.keys()) == [b"a"]
        assert (await lease.refresh()).TTL == 100
        await lease.revoke()
        assert await client.get(b"a") is None
        assert await lease.remaining_ttl() == -1

        doors = client.lock(b"doors", ttl=10)
        assert await doors.acquire()
        other = client.lock(b"doors", ttl=10)
        waiting = asyncio.create_task(other.acquire(timeout=10))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await doors.release()
        assert await waiting
        await other.release()
    print("ok")


asyncio.run(main())
