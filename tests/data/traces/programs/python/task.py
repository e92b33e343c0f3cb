import asyncio
import gc


async def boom():
    raise ValueError("in a task")


async def main():
    task = asyncio.create_task(boom(), name="loader")
    await asyncio.sleep(0.01)
    del task
    gc.collect()


asyncio.run(main())
