"""
A server with a stream for each client
======================================

A thousand made-up machines send the values of three sensors, a step at a time. A web server keeps a stream for each:
while the connection is open, it answers each step with the probability of a fault, from all steps so far. The states
of all streams lie in one object; a client has a row of it, which begins anew for the next one.

The server is tested with all clients at once, over the loopback interface of this machine. The script prints how long
the answers take, and writes the figure ``server.png``. It needs the extra ``serve``.
"""

# %%
# A pipeline from a notebook
# --------------------------
# Some machines begin to drift after a while. The network reads forward only, so that it can be streamed.
import asyncio
import json
import resource
import threading
import time
from collections import deque

import matplotlib.pyplot as plt
import numpy as np
import uvicorn
import websockets
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import RNNClassifier
from skrnn.preprocessing import PerStep
from skrnn.streaming import stream

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

N_CLIENTS, N_STEPS, N_CHANNELS = 1000, 12, 3
rng = np.random.default_rng(0)


def machines(n, n_steps):
    """Values of the sensors of n machines (n, n_steps, 3), and which of them begin to drift."""
    is_faulty, begins = rng.random(n) < 0.5, rng.integers(2, n_steps // 2, n)
    drift = np.clip(np.arange(n_steps) - begins[:, np.newaxis], 0, None) * is_faulty[:, np.newaxis]
    return rng.normal(size=(n, n_steps, N_CHANNELS)) + 0.5 * drift[:, :, np.newaxis] * [1, -1, 0], is_faulty


X, is_faulty = machines(600, 20)
clf = RNNClassifier(16, bidirectional=False, max_iter=15, random_state=0)
pipeline = make_pipeline(PerStep(StandardScaler()), clf).fit(X, is_faulty)

# %%
# The server
# ----------
# There are rows for so many clients; who comes when all are taken is told to come again later. Steps that wait while
# others are read go through the network together, which takes hardly longer than one. Messages are JSON.
app, streams, free, waiting = FastAPI(), stream(pipeline, N_CLIENTS), deque(range(N_CLIENTS)), []


def answer(steps, rows):
    """What each client is told of its step."""
    try:
        return [{"fault": float(fault)} for fault in streams.step_proba(steps, rows)[:, 1]]
    except (ValueError, TypeError, OverflowError) as error:  # a step of another width, NaN, or what is no number
        if len(rows) == 1:
            return [{"error": str(error)}]
        return [told for step, row in zip(steps, rows, strict=True) for told in answer([step], [row])]


def answer_all():
    """Tell all that wait."""
    steps, rows, futures = zip(*waiting, strict=True)
    waiting.clear()
    for future, told in zip(futures, answer(steps, rows), strict=True):
        if not future.done():
            future.set_result(told)


@app.websocket("/stream")
async def serve(socket: WebSocket):
    """Answer each step with a probability, until the client leaves."""
    await socket.accept()
    if not free:
        await socket.close(1013, "all streams are taken, try again later")
        return
    row, loop = free.popleft(), asyncio.get_running_loop()
    try:
        while True:
            step = json.loads(await socket.receive_text())
            if not waiting:
                loop.call_soon(answer_all)
            waiting.append((step, row, future := loop.create_future()))
            await socket.send_text(json.dumps(await future))
    except WebSocketDisconnect:
        pass
    finally:
        streams.reset(row)
        free.append(row)


soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)  # both ends of a connection are files of this process
if soft != resource.RLIM_INFINITY and soft < (wanted := 3 * N_CLIENTS):
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
settings = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="websockets-sansio", ws_max_queue=4)
server = uvicorn.Server(settings)
thread = threading.Thread(target=server.run, daemon=True)
thread.start()
while not server.started:
    time.sleep(0.01)
port = server.servers[0].sockets[0].getsockname()[1]

# %%
# The clients
# -----------
# All connect, and then send their steps, each when the answer to the one before has come.
X_new, is_faulty_new = machines(N_CLIENTS, N_STEPS)
seconds, answers = np.empty((N_CLIENTS, N_STEPS)), np.empty((N_CLIENTS, N_STEPS))


async def client(k, all_are_there):
    """Send the steps of machine k."""
    async with websockets.connect(f"ws://127.0.0.1:{port}/stream", open_timeout=120, compression=None) as socket:
        await all_are_there.wait()
        for t, step in enumerate(X_new[k].tolist()):
            begin = time.perf_counter()
            await socket.send(json.dumps(step))
            answers[k, t] = json.loads(await socket.recv())["fault"]
            seconds[k, t] = time.perf_counter() - begin


async def load_test():
    """Run all clients at once."""
    all_are_there = asyncio.Barrier(N_CLIENTS)
    await asyncio.gather(*(client(k, all_are_there) for k in range(N_CLIENTS)))


begin = time.perf_counter()
asyncio.run(load_test())
total = time.perf_counter() - begin
server.should_exit = True
thread.join()

expected = np.stack([pipeline.predict_proba(X_new[:, : t + 1])[:, 1] for t in range(N_STEPS)], axis=1)
print(f"{N_CLIENTS} streams, {N_STEPS} steps each, in {total:.1f} s with their connections")
print(f"answers: median {1e3 * np.median(seconds):.0f} ms, 99 % within {1e3 * np.quantile(seconds, 0.99):.0f} ms")
print(f"largest difference from predict_proba: {np.abs(answers - expected).max():.0e}")

# %%
# Figure
# ------
# Above, what some clients were told as their steps came. Below, how long they waited while all sent at once.
figure, (above, below) = plt.subplots(2, 1, figsize=(7.0, 5.2), layout="constrained")
for faulty, style in ((False, {"color": "0.6"}), (True, {"color": "C3", "linestyle": "--"})):
    rows = answers[is_faulty_new == faulty][:12]
    lines = above.plot(np.arange(1, N_STEPS + 1), rows.T, linewidth=1, **style)
    lines[0].set_label("begins to drift" if faulty else "sound")
above.set(xlabel="step", ylabel="probability of a fault", ylim=(0, 1))
above.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
below.hist(1e3 * seconds.ravel(), bins=60, color="C0")
below.set(xlabel="milliseconds to the answer", ylabel="steps")
for ax in (above, below):
    ax.spines[["top", "right"]].set_visible(False)
figure.savefig("server.png", dpi=150)
