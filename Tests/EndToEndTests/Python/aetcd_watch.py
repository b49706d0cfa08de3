"""Python's aetcd watching a member: python aetcd_watch.py HOST PORT. Fails by assertion."""
import asyncio
import sys

import aetcd


async def main():
    async with aetcd.Client(host=sys.argv[1], port=int(sys.argv[2]), timeout=10) as client:
        watch = await client.watch_prefix(b"many/")
        await asyncio.gather(*(client.put(b"many/%03d" % n, b"v%d" % n) for n in range(200)))
        seen = []
        async for event in watch:
            seen.append(event)
            if len(seen) == 200:
                break
        assert sorted(event.kv.key for event in seen) == [b"many/%03d" % n for n in range(200)]
        revisions = [event.kv.mod_revision for event in seen]
        assert revisions == sorted(revisions) and len(set(revisions)) == 200
        await watch.cancel()

        await client.delete(b"many/000")
        past = await client.watch(b"many/000", start_revision=2, prev_kv=True)
        kinds = []
        async for event in past:
            kinds.append(event.kind)
            if len(kinds) == 2:
                break
        assert kinds == ["PUT", "DELETE"], kinds
        await past.cancel()
    print("ok")


asyncio.run(main())
