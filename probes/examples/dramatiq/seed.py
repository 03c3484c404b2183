# Queues of the real Dramatiq in known states: python3 seed.py PORT NAMESPACE. It counts none
# itself but in one sum, of which messages that workers have are in twice.
import os
import sys
import time
from threading import Event

import dramatiq
from dramatiq.brokers.redis import RedisBroker

port, namespace = sys.argv[1:]
broker = RedisBroker(host="127.0.0.1", port=int(port), namespace=namespace)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="mail", max_retries=0)
def send(what):
    if what == "fails":
        raise ValueError("as it was told to")
    if what == "hangs":
        Event().wait()


@dramatiq.actor(queue_name="later")
def later():
    pass


@dramatiq.actor(queue_name="done")
def done():
    pass


def until(length, command, key):
    while getattr(broker.client, command)(f"{namespace}:{key}") != length:
        time.sleep(0.01)


for what in ["fails", "fails", "ends"]:
    send.send(what)
for delay in [3_600_000, 3_600_001]:
    send.send_with_options(args=["ends"], delay=delay)
done.send()
# One thread takes two messages: it runs one and has one ready.
dramatiq.Worker(broker, queues={"mail", "done"}, worker_threads=1).start()
until(2, "zcard", "mail.XQ")
until(0, "hlen", "mail.msgs")
until(0, "hlen", "done.msgs")
until(0, "llen", "mail.DQ")  # the worker has the delayed messages in its memory
send.send("hangs")
until(0, "llen", "mail")
for _ in range(4):
    send.send("waits")
until(3, "llen", "mail")
later.send_with_options(delay=3_600_000)  # no worker of it runs

os._exit(0)  # what the worker has stays active
