# Queues of the real RQ in known states: python3 seed.py PORT. Prints, as one JSON object, what the library itself
# counts in each, and when the oldest job was enqueued.
import json
import os
import signal
import sys
import time
from datetime import timedelta

from redis import Redis
from rq import Queue, SimpleWorker

connection = Redis(host="127.0.0.1", port=int(sys.argv[1]))
mail = Queue("mail", connection=connection)
odd = Queue('a:b "ü\\', connection=connection)
registries = {
    "active": "started_job_registry",
    "delayed": "scheduled_job_registry",
    "failed": "failed_job_registry",
    "deferred": "deferred_job_registry",
}


def counts(queue):
    # Without cleanup=False it would clean up, and so write.
    own = {name: getattr(queue, registry).get_job_count(cleanup=False) for name, registry in registries.items()}
    first = queue.fetch_job(queue.job_ids[0]) if queue.job_ids else None
    oldest = int(first.enqueued_at.timestamp() * 1000) if first else None
    return {"waiting": queue.count, "oldest_at": oldest, **own}


for _ in range(2):
    mail.enqueue("operator.truediv", 1, 0)
hangs = mail.enqueue("time.sleep", 3600)
child = os.fork()
if child == 0:
    SimpleWorker([mail], connection=Redis(host="127.0.0.1", port=int(sys.argv[1]))).work(logging_level="ERROR")
    os._exit(0)
# By its name, as a count is 1 for the jobs before it, too.
while hangs.id not in mail.started_job_registry.get_job_ids(cleanup=False):
    time.sleep(0.01)
os.kill(child, signal.SIGKILL)  # what it has stays active
os.waitpid(child, 0)

for _ in range(3):
    mail.enqueue("time.sleep", 0)
for _ in range(4):
    mail.enqueue_in(timedelta(hours=1), "time.sleep", 0)
for _ in range(5):
    mail.enqueue("time.sleep", 0, depends_on=hangs)
odd.enqueue("time.sleep", 0)

print(json.dumps({queue.name: counts(queue) for queue in [mail, odd]}))
