"""Python's aetcd against a member: python aetcd_tour.py HOST PORT. Fails by assertion."""
import asyncio
import sys

import aetcd


async def main():
    async with aetcd.Client(host=sys.argv[1], port=int(sys.argv[2]), timeout=10) as client:
        await client.put(b"greeting", b"hello")
        found = await client.get(b"greeting")
        assert found.value == b"hello", found
        await asyncio.gather(*(client.put(b"many/%04d" % n, b"v%d" % n) for n in range(500)))
        page = await client.get_prefix(b"many/")
        assert [pair.key for pair in page] == [b"many/%04d" % n for n in range(500)]
        assert await client.get(b"missing") is None
        deleted = await client.delete_prefix(b"many/")
        assert deleted.deleted == 500, deleted
        status = await client.status()
        assert status.version == "3.7.1", status
    print("ok")


asyncio.run(main())
